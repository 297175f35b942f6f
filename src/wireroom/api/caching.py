"""Spares reads: an answer that the caller has is not sent again, one just made is not made again.

Every JSON answer of a GET gets an `ETag`, and `If-None-Match` is answered 304. The answers of a few routes
are kept besides, for the same caller and question: until what they tell of is written, and never longer than
the route's time, which bounds what writes of other processes may leave stale.
Answers that set a cookie or come in pieces are passed on as they are. One that says `no-store` has no tag,
since nobody may keep it outside; the routes that are named are kept here all the same.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wireroom.api.auth import COOKIE, SECRET_HEADERS, SECURE_COOKIE
from wireroom.api.etags import etag_of, has_already
from wireroom.api.kept_answers import Answer, KeptAnswers
from wireroom.perf.metrics import HTTP_CACHED

MOST_BYTES = 8 * 1024 * 1024
LARGEST_BYTES = 512 * 1024
_KEPT_IN_304 = frozenset({b"cache-control", b"etag", b"vary", b"expires", b"x-total-count", b"link"})
_ASKED_BY = ("host", "origin", "accept", "user-agent", "sec-fetch-site", "sec-fetch-mode")
_kept, _unchanged, _made = (HTTP_CACHED.labels(result) for result in ("kept", "unchanged", "made"))


@dataclass(frozen=True, slots=True)
class Rule:
    """How the answers of a route are kept."""

    seconds: float
    """The longest time."""
    state: Callable[[], int] | None
    """Gives a number that is another one after each write that the answer may tell of; None: there is none,
    and the route asks nobody who they are."""


class ResponseCache:
    """Stands before the routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        rules: Mapping[str, Rule],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Serve `app`.

        Args:
            app: The routes.
            rules: Which paths' answers are kept.
            now: Seconds of a steady clock.
        """
        self._app = app
        self._rules = rules
        self._answers = KeptAnswers(most_bytes=MOST_BYTES, largest_bytes=LARGEST_BYTES, now=now)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        rule = self._rules.get(scope["path"])
        key = None if rule is None else _key(scope, headers, rule)
        if rule is None or key is None:
            await self._app(scope, receive, _Exchange(send, headers, is_kept=False).send)
            return
        # Taken before the routes read: a write while they do makes their answer one of a past state.
        state = None if rule.state is None else rule.state()
        found = self._answers.find(key, state)
        if found is not None:
            _kept.inc()
            await _answer(found, headers, send)
            return
        exchange = _Exchange(send, headers, is_kept=True)
        await self._app(scope, receive, exchange.send)
        if exchange.answer is not None:
            self._answers.keep(key, exchange.answer, seconds=rule.seconds, state=state)


class _Exchange:
    """Holds the beginning of an answer until it is known whether it is one that can be tagged."""

    def __init__(self, send: Send, asked: Headers, *, is_kept: bool) -> None:
        self._send = send
        self._asked = asked
        self._is_kept = is_kept
        self._start: Message | None = None
        self.answer: Answer | None = None
        """What was sent, if it may be kept."""

    async def send(self, message: Message) -> None:
        """Take a message of the routes."""
        if message["type"] == "http.response.start" and _may_be_held(message, is_kept=self._is_kept):
            self._start = message
            return
        start, self._start = self._start, None
        if start is None:
            await self._send(message)
        elif message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(start)
            await self._send(message)
        else:
            _made.inc()
            self.answer = _tagged(start, message.get("body", b""))
            await _answer(self.answer, self._asked, self._send)


def _may_be_held(start: Message, *, is_kept: bool) -> bool:
    headers = Headers(raw=start["headers"])
    return (
        start["status"] == HTTPStatus.OK
        and headers.get("content-type", "").startswith("application/json")
        and (is_kept or not _is_for_once(headers))
        and "set-cookie" not in headers
        and "content-encoding" not in headers
    )


def _is_for_once(headers: Headers) -> bool:
    return "no-store" in headers.get("cache-control", "")


def _tagged(start: Message, body: bytes) -> Answer:
    headers = MutableHeaders(raw=list(start["headers"]))
    if _is_for_once(headers):
        return Answer(headers.raw, bytes(body), "")
    etag = headers.setdefault("ETag", etag_of(body))
    # A browser may keep it, and asks each time whether it still holds; nobody between us may.
    headers.setdefault("Cache-Control", "private, no-cache")
    return Answer(headers.raw, bytes(body), etag)


async def _answer(answer: Answer, asked: Headers, send: Send) -> None:
    status, headers, body = HTTPStatus.OK, list(answer.headers), answer.body
    if answer.etag and has_already(asked.get("if-none-match"), answer.etag):
        _unchanged.inc()
        status, body = HTTPStatus.NOT_MODIFIED, b""
        headers = [header for header in headers if header[0] in _KEPT_IN_304]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _key(scope: Scope, headers: Headers, rule: Rule) -> str | None:
    """Return what stands for the question and its caller; None for a caller who shows nothing.

    All that `api.auth` may look at is in it: also the address, since a wrong secret may come from an open
    network, and the same one from elsewhere.
    """
    cookies = cookie_parser(headers.get("cookie", ""))
    sessions = [cookies.get(name, "") for name in (SECURE_COOKIE, COOKIE)]
    shown = [headers.get("authorization", ""), *sessions, *(headers.get(name, "") for name in SECRET_HEADERS)]
    if rule.state is None:
        shown = []
    elif not any(shown):
        return None
    client = scope.get("client")
    asked = [scope["path"], scope["query_string"].decode("latin-1"), client[0] if client else ""]
    parts = [*asked, *(headers.get(name, "") for name in _ASKED_BY), *shown]
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
