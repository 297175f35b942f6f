#!/usr/bin/env python3
"""Turn the task operator on: it takes tasks from the board and runs them."""

import argparse

from cursor_agents_client import print_operator_answer


def main() -> None:
    """Read the queue, ask, print the answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--queue", "-q", default="task-operator", help="queue of the operator (default: task-operator)"
    )
    given = parser.parse_args()
    print_operator_answer("POST", "/task-operator", {"queue": given.queue})


if __name__ == "__main__":
    main()
