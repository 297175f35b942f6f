"""The runner's operations called from inside: the same routes, the same answers, no socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wireroom.api.runner_calls import InnerCalls
from wireroom.api.runner_relay import Operation, RunnerAnswer, unless_left
from wireroom.app.web_server import WebServer, bind
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(30)


async def echo(request: Request) -> Response:
    """Answer with what came."""
    body = {
        "success": True,
        "call": f"{request.method} {request.url.path}",
        "secret": request.headers["x-webhook-secret"],
        "fields": await request.json() if request.method == "POST" else None,
        "left": await request.is_disconnected(),
    }
    return JSONResponse(body, 202, headers={"Retry-After": "7", "X-Other": "x"})


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        (Operation.EXECUTE, "POST /cursor/execute"),
        (Operation.EXECUTE_ASYNC, "POST /cursor/execute/async"),
        (Operation.ITERATE, "POST /cursor/iterate"),
        (Operation.CLONE, "POST /git/clone"),
        (Operation.REPOSITORIES, "GET /git/repositories"),
        (Operation.CHECKOUT, "POST /git/checkout"),
        (Operation.PUSH, "POST /git/push"),
        (Operation.PULL, "POST /git/pull"),
    ],
)
async def test_operation_is_the_route(operation: Operation, call: str) -> None:
    """The route gets the fields and the secret; its answer comes back whole."""
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST"])])
    fields = {"prompt": "é"} if call.startswith("POST") else None
    body = {"success": True, "call": call, "secret": "s", "fields": fields, "left": False}
    found = await InnerCalls(app, "s").call(operation, {"prompt": "é"})
    assert found == RunnerAnswer(202, body, {"retry-after": "7"})


@pytest.fixture
async def waiting() -> AsyncIterator[tuple[str, list[str]]]:
    """Lend the address of a route whose work does not end, and what became of that work."""
    seen: list[str] = []

    async def work() -> Any:
        seen.append("begun")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def route(request: Request) -> Response:
        await request.body()
        seen.append(f"gives {await unless_left(request, work())}")
        return Response()

    listener = bind("127.0.0.1", 0)
    server = WebServer(Starlette(routes=[Route("/", route, methods=["POST"])]), listener)
    serving = asyncio.create_task(server.run())
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/", seen
    server.stop()
    await serving


async def test_work_is_left_when_its_caller_leaves(waiting: tuple[str, list[str]]) -> None:
    """Nobody waits on behalf of a caller who has gone."""
    url, seen = waiting
    async with aiohttp.ClientSession() as client:
        asking = asyncio.create_task(client.post(url, data=b"{}").__aenter__())
        await eventually(lambda: seen == ["begun"], "the work has begun")
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
    await eventually(lambda: seen == ["begun", "cancelled", "gives None"], "the work was left")
