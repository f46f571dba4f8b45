"""A sweep as one self-contained page: the answer, the front as a figure, tables, and how to run all of it again."""
