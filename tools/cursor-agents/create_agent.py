#!/usr/bin/env python3
"""Create an agent: a call that is made once, or again and again by a schedule."""

import argparse
import json
from typing import Any

from cursor_agents_client import fail, print_answer

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")


def main() -> None:
    """Read the options, ask for the agent, print the answer."""
    given = _options().parse_args()
    if not given.schedule and not given.one_time:
        fail("Error: Either --one-time must be true or --schedule must be provided")
    headers = _json_of("--headers", given.headers)
    if not isinstance(headers, dict):
        fail("Error: --headers must be a JSON object")
    fields: dict[str, Any] = {
        "name": given.name,
        "targetUrl": given.target_url,
        "method": given.method,
        "headers": headers,
        "oneTime": given.one_time,
        "timeout": given.timeout,
    }
    if given.body:
        fields["body"] = _json_of("--body", given.body)
    if given.schedule and not given.one_time:
        fields["schedule"] = given.schedule
    if given.queue:
        fields["queue"] = given.queue
    print_answer("POST", "/agents", fields)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", "-n", required=True, help="name of the agent")
    parser.add_argument("--target-url", "-u", required=True, help="address to call")
    parser.add_argument("--method", "-m", default="POST", choices=METHODS, help="HTTP method (default: POST)")
    parser.add_argument("--headers", "-H", default="{}", help="headers, as a JSON object")
    parser.add_argument("--body", "-b", help="body of the call, as JSON")
    parser.add_argument("--schedule", "-s", help="cron expression, such as '0 8 * * *'")
    parser.add_argument("--one-time", "-o", action="store_true", help="call once, now")
    parser.add_argument(
        "--timeout", "-t", type=int, default=30000, help="longest call, milliseconds (default: 30000)"
    )
    parser.add_argument("--queue", "-q", help="queue of the agent (default: default)")
    return parser


def _json_of(option: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        fail(f"Error: Invalid JSON in {option}: {error}")


if __name__ == "__main__":
    main()
