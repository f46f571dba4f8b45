"""Points that ran again with fresh seeds: their means, what stays of a front, and which differences."""
