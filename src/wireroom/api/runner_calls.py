"""The runner's operations for callers inside this process: our own routes, called by `inside`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.types import ASGIApp

from wireroom.api.inside import call_inside
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
        """Do it; whoever is cancelled while it waits leaves the run going.

        An answer that is no JSON object is the application's fault.
        """
        method, path = _PATHS[operation]
        body = msgspec.json.encode(fields) if method == "POST" else b""
        answer = await call_inside(self._app, method, path, secret=self._secret, body=body)
        kept = {name: value for name, value in answer.headers.items() if name in _PASSED_ON}
        return RunnerAnswer(answer.status, msgspec.json.decode(answer.body, type=dict[str, Any]), kept)
