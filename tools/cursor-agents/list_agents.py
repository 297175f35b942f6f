#!/usr/bin/env python3
"""List all agents with their state."""

from cursor_agents_client import print_answer

if __name__ == "__main__":
    print_answer("GET", "/agents")
