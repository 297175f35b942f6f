"""Threads, their messages, and what a new run is told of the past."""
