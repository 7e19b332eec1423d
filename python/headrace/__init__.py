"""Headrace: write stream-processing jobs in Python."""

__version__ = "0.1.0"
