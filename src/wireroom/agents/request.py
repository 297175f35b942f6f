"""What an agent sends or runs, and what its target may answer with. Pure.

A *request* is what the agent was told to do, as it is stored; `outgoing` makes of it what goes over the wire.
Source: contract of cursor-agents, sections A2 to A4; the differences are in docs/reference/compatibility.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Literal
from urllib.parse import urljoin

import msgspec

from wireroom import __version__
from wireroom.callbacks.target import Target, read_target
from wireroom.errors import BadInput

METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH")
DEFAULT_TIMEOUT_MS = 30_000
LONGEST_TIMEOUT_MS = 3_600_000
MOST_REDIRECTS = 5
_TARGETS_KEPT = 1_000
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_MAX_HEADERS = 50
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]{0,8000}")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "expect"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TO_GET = frozenset({301, 302})
_LONGEST_DELAY_MS = 30 * 86_400_000
_FREE_REPETITIONS = 100
_SHORTEST_LATER_DELAY_MS = 1_000


class CallRequest(msgspec.Struct, frozen=True, omit_defaults=True, tag="call", tag_field="kind"):
    """An HTTP request to make."""

    url: str
    method: str = "POST"
    headers: dict[str, str] = {}
    body: Any = None
    timeout_ms: int = DEFAULT_TIMEOUT_MS
    """Of the whole exchange, the answer's body and redirects included."""


class PromptRequest(msgspec.Struct, frozen=True, omit_defaults=True, tag="prompt", tag_field="kind"):
    """A prompt to run."""

    prompt: str
    options: dict[str, Any] = {}
    """As given; `repository`, `branch`, `backend` and `model` are known, others are kept and mean nothing."""


Request = CallRequest | PromptRequest
Action = Literal["call", "prompt"]
_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One HTTP request, ready for the wire."""

    method: str
    target: Target
    headers: Mapping[str, str]
    body: bytes | None


def encode_request(request: Request) -> str:
    """Return the request as it is stored."""
    return msgspec.json.encode(request).decode()


def read_request(stored: str) -> Request:
    """Return a stored request."""
    return _decoder.decode(stored)


def action_of(request: Request) -> Action:
    """Return which kind of action the request is."""
    return "call" if isinstance(request, CallRequest) else "prompt"


def check_url(url: object) -> str:
    """Return the target's address as it was given.

    Raises:
        BadInput: it is no plain http(s) address.
    """
    if not isinstance(url, str):
        raise BadInput("targetUrl must be a string.")
    _target_of(url)
    return url


def check_headers(value: object) -> dict[str, str]:
    """Return headers that may be sent; those that belong to the connection are refused.

    Raises:
        BadInput: they are no object of short strings.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping) or len(value) > _MAX_HEADERS:
        raise BadInput(f"headers must be an object of at most {_MAX_HEADERS} strings.")
    headers = {str(name): _header_text(content) for name, content in value.items()}
    for name, text in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
            raise BadInput(f"headers: {name[:100]!r} is no header, or its value is not plain text.")
        if name.lower() in _OURS:
            raise BadInput(f"headers: {name} belongs to the connection and cannot be set.")
    return headers


@lru_cache(maxsize=_TARGETS_KEPT)
def _target_of(url: str) -> Target:
    """Return a target's address taken apart; an agent that is made at once is checked and called."""
    return read_target(url, name="targetUrl", takes_secret=False)


def outgoing(request: CallRequest, idempotency_key: str) -> Outgoing:
    """Return what goes over the wire.

    The body is JSON, a string quoted; it is sent with POST, PUT and PATCH unless it is null, false, 0 or "".
    """
    has_body = request.method in _WITH_BODY and not _is_nothing(request.body)
    given = {name.lower() for name in request.headers}
    ours = {
        "Content-Type": "application/json",
        "User-Agent": f"wireroom/{__version__}",
        "Idempotency-Key": idempotency_key,
    }
    headers = {name: value for name, value in ours.items() if name.lower() not in given}
    return Outgoing(
        request.method,
        _target_of(request.url),
        headers | request.headers,
        msgspec.json.encode(request.body) if has_body else None,
    )


def redirected(sent: Outgoing, status: int, location: str | None) -> Outgoing | None:
    """Return the request that a redirect asks for, None when the answer is none.

    Credentials stay with the host that they were meant for. Source: Fetch Standard, "HTTP-redirect fetch".

    Raises:
        BadInput: the answer leads to what is no plain http(s) address.
    """
    if status not in _REDIRECTS or not location:
        return None
    try:
        url = urljoin(sent.target.url, location)
    except ValueError as error:
        raise BadInput("The redirect's Location is no address.") from error
    target = read_target(url, name="The redirect's Location", takes_secret=False)
    moved = replace(sent, target=target)
    to_get = (status in _TO_GET and sent.method == "POST") or status == HTTPStatus.SEE_OTHER
    if to_get and sent.method != "HEAD":
        headers = {name: value for name, value in sent.headers.items() if name.lower() != "content-type"}
        moved = replace(moved, method="GET", body=None, headers=headers)
    if target.origin != sent.target.origin:
        private = {"authorization", "cookie", "proxy-authorization"}
        kept = {name: value for name, value in moved.headers.items() if name.lower() not in private}
        moved = replace(moved, headers=kept)
    return moved


def wanted_delay(answer: bytes, repetitions: int) -> int | None:
    """Return after how many milliseconds the target wants to be called again, None if it does not.

    `{"requeue": true, "delay": 5000}` asks for it. Who has asked a hundred times in a row gets no less than a
    second, so that a target which always asks is no storm.

    Args:
        answer: The whole body of a 2xx answer.
        repetitions: How often it has asked before.
    """
    try:
        said = msgspec.json.decode(answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(said, dict) or said.get("requeue") is not True:
        return None
    delay = said.get("delay", 0)
    known = isinstance(delay, int | float) and not isinstance(delay, bool) and delay == delay  # noqa: PLR0124 - NaN
    delay_ms = min(max(float(delay), 0.0), _LONGEST_DELAY_MS) if known else 0.0
    least_ms = 0 if repetitions < _FREE_REPETITIONS else _SHORTEST_LATER_DELAY_MS
    return max(int(delay_ms), least_ms)


def _header_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadInput("headers must be an object of strings.")
    return str(value).strip()


def _is_nothing(body: object) -> bool:
    return body is None or body is False or (not isinstance(body, dict | list) and body in {0, ""})
