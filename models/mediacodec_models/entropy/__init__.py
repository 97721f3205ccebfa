"""Probability models of codes; all of them end as integer tables."""
