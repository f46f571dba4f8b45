"""What a sequence of requests led to: its accuracy matrix, the numbers in it, and where it is kept."""
