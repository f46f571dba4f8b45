"""The version of this code: declared here alone."""

__version__ = "0.2.0.dev0"
