"""Wireroom runs coding agents from a chat and from a task board, and never loses a message."""

__version__ = "0.1.0"
