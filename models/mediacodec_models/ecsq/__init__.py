"""Entropy-constrained scalar quantization: many scalar latents, a gain for each quality and channel, a learned entropy
model (family `ecsq`)."""
