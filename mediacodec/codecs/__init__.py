"""Codec families, one package each; `registry` has the only table of them."""
