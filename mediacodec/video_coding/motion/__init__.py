"""Explicit block motion: the encoder's search, and the lossless coding of what it found."""
