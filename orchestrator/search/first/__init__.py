"""What the first trials of each method try, before a sampler proposes: defaults, and points known to be good."""
