#!/usr/bin/env python3
"""Clear the task operator's lock."""

import argparse

from cursor_agents_client import print_operator_answer

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    print_operator_answer("DELETE", "/task-operator/lock")
