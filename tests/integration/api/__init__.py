"""The HTTP surface of a whole service."""
