"""Scoring models: trained with another seed than the original, to choose what is forgotten."""
