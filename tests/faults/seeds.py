"""How many seeds each fault is tried with."""

import os

SEEDS = range(int(os.environ.get("FAULT_SEEDS", "2")))
