"""Two sweeps of one task beside each other."""
