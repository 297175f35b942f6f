"""Requests that take too long end with 504; streams that have begun do not."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi_calls import call
from wireroom.api.time_limits import TimeLimits

SOON = 0.02
"""Seconds; only waited for where the answer would never come."""
BEGINS_WITHIN = 0.5
"""Seconds that a slow machine, too, begins an answer in."""


def limited(app: ASGIApp, seconds: float = SOON) -> TimeLimits:
    """Return the application with a time limit."""
    return TimeLimits(app, seconds=seconds, unhurried=("/cursor/",))


class Silent:
    """Never answers, and knows whether it was told to end."""

    ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait for good; say something on the way out, as a careless route may."""
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True
            await PlainTextResponse("too late")(scope, receive, send)


async def test_request_that_takes_too_long_is_answered_504() -> None:
    """The route is ended, the body says what to do, and what the route says on its way out is dropped."""
    silent = Silent()
    found = await call(limited(silent), "/api/runs")
    assert (found.status, silent.ended) == (504, True)
    body = msgspec.json.decode(found.body)
    assert body["path"] == "/api/runs"
    assert "may have been done" in body["error"]


async def test_stream_may_take_longer_than_the_limit_once_it_has_begun() -> None:
    """The time runs until the answer begins."""
    gate = asyncio.Event()

    async def pieces() -> object:
        yield b"a"
        asyncio.get_running_loop().call_later(1.2 * BEGINS_WITHIN, gate.set)
        await gate.wait()
        yield b"b"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await StreamingResponse(pieces())(scope, receive, send)  # type: ignore[arg-type]  # any async iterable

    found = await call(limited(app, BEGINS_WITHIN))
    assert (found.status, found.body) == (200, b"ab")


@pytest.mark.parametrize(("path", "seconds"), [("/cursor/execute", SOON), ("/api/runs", 0.0)])
async def test_unhurried_paths_and_a_limit_of_zero_are_not_timed(path: str, seconds: float) -> None:
    """A whole run may be waited for, and the setting can be switched off."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # No deadline is set on the task that serves it.
        assert asyncio.current_task() is not None
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        loop.call_later(3 * SOON, woken.set_result, None)
        await woken
        await PlainTextResponse("done")(scope, receive, send)

    assert (await call(limited(app, seconds), path)).body == b"done"


async def test_time_out_of_the_route_itself_is_its_own_error() -> None:
    """Only our limit becomes a 504; what a route raises goes on to its handlers."""

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await call(limited(app, 60.0))


async def test_answer_in_time_is_passed_on() -> None:
    """Nothing is added to it."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse(Request(scope).url.path)(scope, receive, send)

    found = await call(limited(app, 60.0), "/x")
    assert (found.status, found.body, found.pieces) == (200, b"/x", 1)
