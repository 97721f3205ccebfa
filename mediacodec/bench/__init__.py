"""Measuring codecs: perceptual scores, Opus as the yardstick, and the audio bench (extra `bench`)."""
