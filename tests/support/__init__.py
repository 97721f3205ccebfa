"""What several test files use: checkpoints, generated media, plain codecs."""
