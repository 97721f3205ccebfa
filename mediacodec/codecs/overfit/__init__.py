"""The overfitted codec for stills and archives: latent grids and small networks fitted to each frame."""
