"""What a store says of a sweep, and the checks before this program acts on it: a store is data, never code."""
