"""Audio codecs whose packets hold codes of residual (or single) vector quantizers."""
