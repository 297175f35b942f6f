#!/usr/bin/env python3
"""Delete an empty queue other than the default one."""

import argparse

from cursor_agents_client import path_of, print_answer


def main() -> None:
    """Read the name, ask, print the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queue-name", "-q", required=True, dest="name", help="name of the queue")
    given = parser.parse_args()
    print_answer("DELETE", path_of("queues", given.name))


if __name__ == "__main__":
    main()
