"""Many rows as columns: read on several cores, counted and compared without an object for each row."""
