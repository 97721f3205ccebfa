"""Audio codecs that code one segment after the other, each by itself (EnCodec at 48 kHz)."""
