"""Audio codecs of scalar latents behind a learned entropy model (entropy-constrained scalar quantization)."""
