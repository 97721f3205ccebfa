"""Comparisons that recipes and cards quote."""
