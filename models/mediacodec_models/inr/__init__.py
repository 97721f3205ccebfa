"""The `inr` family in torch: how a network is fitted to a group of frames. Decoding needs none of this."""
