"""The stages of a sweep that runs: an estimate, the models, the search."""
