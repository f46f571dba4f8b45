"""Steps that several methods share, a file a kind.

Torch is imported inside functions, so that a method's file may import these at its top.
"""
