"""Requests that come one after another: each starts from the model that the last one left."""
