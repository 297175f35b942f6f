"""Coding agents behind one protocol, one file each."""
