"""What a sweep would do, told without doing it: nothing is run, and nothing is written."""
