"""How errors look on the wire."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

from wireroom.api import errors
from wireroom.errors import (
    BadInput,
    Conflict,
    LeaseLost,
    NotFound,
    Refused,
    StoreFull,
    StoreUnavailable,
    TelegramError,
)

Answer = tuple[int, dict[str, str], dict[str, Any]]


async def ask(app: FastAPI, method: str, path: str) -> Answer:
    """Call the app and return status, headers and the decoded body."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(part: Any) -> None:
        sent.append(part)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("localhost", 80),
    }
    # Starlette passes what nobody expected on to the server once it is answered.
    with suppress(RuntimeError):
        await app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, msgspec.json.decode(sent[1]["body"])


def failing(error: Exception) -> Callable[[], None]:
    """Return a route that raises."""

    def route() -> None:
        raise error

    return route


def app_with(error: Exception) -> FastAPI:
    """Return an app whose route raises."""
    app = FastAPI()
    errors.install(app)
    app.add_api_route("/x", failing(error))
    app.add_api_route("/number/{number}", lambda number: number, methods=["GET"])
    return app


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BadInput("why"), 400),
        (Refused("why"), 403),
        (NotFound("why"), 404),
        (Conflict("why"), 409),
        (StoreUnavailable("why"), 503),
        (StoreFull("why"), 503),
    ],
)
async def test_our_error_is_answered_with_its_status_and_message(error: Exception, status: int) -> None:
    """Every class of the tree that a caller can act on has its status; the shape is always the same."""
    code, headers, body = await ask(app_with(error), "GET", "/x")
    assert (code, body["success"], body["error"], body["path"]) == (status, False, "why", "/x")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])
    assert set(body) == {"success", "error", "timestamp", "path"}
    assert headers.get("retry-after") == ("2" if status == 503 else None)


@pytest.mark.parametrize(
    "error", [LeaseLost("secret inside"), TelegramError("secret inside"), RuntimeError("secret inside")]
)
async def test_unexpected_error_tells_an_id_and_nothing_else(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened stands in the log, under the id that the caller was told."""
    code, _, body = await ask(app_with(error), "GET", "/x")
    assert code == 500
    assert "secret" not in str(body)
    error_id = re.search(r"id (\w+)\.", body["error"])
    assert error_id is not None
    logged = capsys.readouterr().out
    assert error_id[1] in logged
    assert "secret inside" in logged


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("POST", "/x", 405)])
async def test_framework_refusals_have_the_same_shape(method: str, path: str, status: int) -> None:
    """404 and 405 of the framework look like ours."""
    code, headers, body = await ask(app_with(BadInput("why")), method, path)
    assert (code, body["success"], body["path"]) == (status, False, path)
    assert (headers.get("allow") == "GET") is (status == 405)
