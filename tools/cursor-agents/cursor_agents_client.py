# ruff: noqa: INP001 - a folder of scripts beside each other, not a package
"""Calls Wireroom for the scripts of this folder; the standard library alone, so the folder can be copied.

CURSOR_AGENTS_URL says where (default `http://cursor-agents:3002`), WEBHOOK_SECRET, when set, is sent as
`X-Webhook-Secret`. Scripts print the answer's JSON to standard output and end with 0, or say why not on
standard error and end with 1.
"""

import json
import os
import sys
from http.client import HTTPException
from typing import Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

DEFAULT_URL = "http://cursor-agents:3002"
AGENT_SECONDS = 30.0
"""Socket time-out of the calls about agents and queues; those about the operator have none."""


class CallFailed(Exception):
    """The call was not answered with a 2xx and JSON."""

    def __init__(self, message: str, status: int | None = None) -> None:
        """Keep the text, and the HTTP status when there was an answer."""
        super().__init__(message)
        self.status = status


def path_of(folder: str, name: str) -> str:
    """Return the path of a named thing; whatever the name holds, it stays one segment."""
    return f"/{folder}/{quote(name, safe='')}"


def print_answer(method: str, path: str, body: Any = None) -> None:
    """Call and print; a failure is `{"error": ..., "status": ...}` on standard error, and exit code 1.

    `status` is the HTTP status; it is missing when there was no answer.
    """
    try:
        answer = call(method, path, body, seconds=AGENT_SECONDS)
    except CallFailed as error:
        answered = {} if error.status is None else {"status": error.status}
        fail(json.dumps({"error": str(error), **answered}, indent=2))
    _print(answer)


def print_operator_answer(method: str, path: str, body: Any = None) -> None:
    """Call without a time-out and print; a failure is `Error: ...` on standard error, and exit code 1."""
    try:
        answer = call(method, path, body, seconds=None)
    except CallFailed as error:
        fail(f"Error: {error}")
    _print(answer)


def fail(message: str) -> NoReturn:
    """Say why on standard error and end with 1."""
    sys.stderr.write(message + "\n")
    sys.exit(1)


def call(method: str, path: str, body: Any, *, seconds: float | None) -> Any:
    """Return the JSON that the service answers.

    Args:
        method: GET, POST or DELETE.
        path: Below the service's address, with its names quoted.
        body: Sent as JSON; None sends nothing.
        seconds: Longest silence of the connection; None waits for ever.

    Raises:
        CallFailed: there is no answer, none with a 2xx, or none in JSON.
    """
    try:
        with _open(_request(method, path, body), seconds) as response:
            status, text = response.status, response.read().decode(errors="replace")
    except HTTPError as error:
        with error:
            raise CallFailed(_reason_of(error), error.code) from error
    except URLError as error:
        raise CallFailed(str(error.reason)) from error
    except (OSError, HTTPException, ValueError) as error:
        raise CallFailed(str(error) or type(error).__name__) from error
    try:
        return json.loads(text)
    except ValueError as error:
        raise CallFailed(f"The answer is no JSON: {text[:200]}", status) from error


def _request(method: str, path: str, body: Any) -> Request:
    address = os.environ.get("CURSOR_AGENTS_URL") or DEFAULT_URL
    data = None if body is None else json.dumps(body).encode()
    # The folder's user names the address; a file: or ftp: one reads nothing but their own machine.
    request = Request(address.rstrip("/") + path, data=data, method=method)  # noqa: S310
    request.add_header("Content-Type", "application/json")
    secret = os.environ.get("WEBHOOK_SECRET")
    if secret:
        # Not to be sent on to where a redirect points.
        request.add_unredirected_header("X-Webhook-Secret", secret)
    return request


def _open(request: Request, seconds: float | None) -> Any:
    return urlopen(request, timeout=seconds)  # noqa: S310 - as in _request


def _reason_of(error: HTTPError) -> str:
    """Return what the service says is wrong, else the body, else the status in words."""
    try:
        text = error.read().decode(errors="replace").strip()
    except (OSError, HTTPException):
        text = ""
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    said = answer.get("error") if isinstance(answer, dict) else None
    return str(said or text or f"HTTP {error.code} {error.reason}")


def _print(answer: Any) -> None:
    sys.stdout.write(json.dumps(answer, indent=2) + "\n")
