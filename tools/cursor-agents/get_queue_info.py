#!/usr/bin/env python3
"""Show what waits, runs and has ended in one queue."""

import argparse

from cursor_agents_client import path_of, print_answer


def main() -> None:
    """Read the name, ask, print the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue-name", "-q", required=True, dest="name", help="name of the queue")
    given = parser.parse_args()
    print_answer("GET", path_of("queues", given.name))


if __name__ == "__main__":
    main()
