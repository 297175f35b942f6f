"""The runner's operations for callers inside this process: our own routes, without a connection.

The call goes through the very application that serves the runner's routes, so what is asked here is checked,
audited and answered as if it had come from outside. No socket is opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.types import ASGIApp, Message, Scope

from wireroom.api.runner_relay import Operation, RunnerAnswer

_PATHS = {
    Operation.EXECUTE: ("POST", "/cursor/execute"),
    Operation.EXECUTE_ASYNC: ("POST", "/cursor/execute/async"),
    Operation.ITERATE: ("POST", "/cursor/iterate"),
    Operation.CLONE: ("POST", "/git/clone"),
    Operation.REPOSITORIES: ("GET", "/git/repositories"),
    Operation.CHECKOUT: ("POST", "/git/checkout"),
    Operation.PUSH: ("POST", "/git/push"),
    Operation.PULL: ("POST", "/git/pull"),
}
_PASSED_ON = frozenset({"retry-after"})


class InnerCalls:
    """Calls the application; see `runner_relay.RunnerCalls`."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        """Call this application as a program that has the installation's secret."""
        self._app = app
        self._secret = secret

    async def call(self, operation: Operation, fields: Mapping[str, Any]) -> RunnerAnswer:
        """Do it; whoever is cancelled while it waits leaves the run going."""
        method, path = _PATHS[operation]
        body = msgspec.json.encode(fields) if method == "POST" else b""
        exchange = _Exchange(body)
        await self._app(_scope(method, path, self._secret, len(body)), exchange.receive, exchange.send)
        return exchange.answer()


class _Exchange:
    """One request and its answer, in memory."""

    def __init__(self, body: bytes) -> None:
        self._incoming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
        self._status = 500
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._over = asyncio.Event()

    async def receive(self) -> Message:
        """Give the request, then wait for the end: the caller leaves by being cancelled."""
        if self._incoming:
            return self._incoming.pop()
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a piece of the answer."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            self._over.set()

    def answer(self) -> RunnerAnswer:
        """Return the whole answer; one that is no JSON object is the application's fault."""
        kept = {name: value for name, value in self._headers.items() if name in _PASSED_ON}
        return RunnerAnswer(self._status, msgspec.json.decode(self._body, type=dict[str, Any]), kept)


def _scope(method: str, path: str, secret: str, length: int) -> Scope:
    headers = {
        "host": "localhost",
        "content-type": "application/json",
        "content-length": str(length),
        "x-webhook-secret": secret,
    }
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": None,
        "server": None,
    }
