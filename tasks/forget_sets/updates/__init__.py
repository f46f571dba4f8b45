"""Updates of the data: examples that go, and others that come in their place."""
