"""The `overfit` family in torch: its networks, how they are trained, and how a frame is fitted."""
