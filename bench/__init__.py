"""Benchmarks: `python -m bench` runs them all and prints what was measured, where and how."""
