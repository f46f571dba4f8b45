"""Metrics that only tasks with a certain trait have; see tasks/forget_sets/traits.py."""
