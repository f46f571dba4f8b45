"""The page of a sweep: read from the store, written as one file, and written again while the sweep runs."""
