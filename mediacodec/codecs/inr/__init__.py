"""The `inr` family: implicit neural representations, a network fitted to each group of frames."""
