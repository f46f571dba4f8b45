"""Checks of row files: a digest over each whole file, and ranges for files that have no digest."""
