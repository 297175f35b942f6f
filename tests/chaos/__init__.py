"""Chaos: load on many processes while machines, networks, stores and Telegram fail at random."""
