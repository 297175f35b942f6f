#!/usr/bin/env python3
"""Show the state of one agent."""

import argparse

from cursor_agents_client import path_of, print_answer


def main() -> None:
    """Read the name, ask, print the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", "-n", required=True, dest="name", help="name of the agent")
    given = parser.parse_args()
    print_answer("GET", path_of("agents", given.name))


if __name__ == "__main__":
    main()
