#!/usr/bin/env python3
"""List all queues with what waits, runs and has ended in them."""

from cursor_agents_client import print_answer

if __name__ == "__main__":
    print_answer("GET", "/queues")
