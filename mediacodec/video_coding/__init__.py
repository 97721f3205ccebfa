"""What video codecs share: stream headers, rate control, scene cuts, adaptive quantization, motion."""
