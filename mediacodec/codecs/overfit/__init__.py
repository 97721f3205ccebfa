"""The `overfit` family, for still images and archives: latent grids and small networks fitted to each frame."""
