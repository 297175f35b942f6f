"""Metrics and probes; read by all rooms through small hooks, imports none of them."""
