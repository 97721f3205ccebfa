"""What codecs share whose encoding is fitting, and the one door to `mediacodec_models`."""
