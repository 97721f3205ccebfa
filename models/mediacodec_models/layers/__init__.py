"""Causal building blocks. Each has `step(x, state) -> (y, state)`; a zero state is causal zero padding."""
