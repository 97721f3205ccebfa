"""The audio bench."""
