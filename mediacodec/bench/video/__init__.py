"""The video bench."""
