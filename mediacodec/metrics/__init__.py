"""Distances between a signal and its reconstruction, with numpy alone where that is possible."""
