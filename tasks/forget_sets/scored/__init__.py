"""Forget sets that a model chooses: one file a kind."""
