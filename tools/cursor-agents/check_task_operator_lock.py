#!/usr/bin/env python3
"""Tell whether the task operator holds its lock."""

import argparse

from cursor_agents_client import print_operator_answer

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    print_operator_answer("GET", "/task-operator/lock")
