"""What codecs share whose encoding fits a network to the input, and the one door to `mediacodec_models`."""
