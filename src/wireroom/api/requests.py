"""What several routes read from requests: bounded bodies, pages of lists, request ids, once-only asking."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import HTTPException, Path, Query
from pydantic import Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from wireroom.api.bodies import AskedBody
from wireroom.api.lazy_routes import LazyRoute
from wireroom.delivery.outbox import Recipient
from wireroom.errors import BadInput, Conflict
from wireroom.intake.ask import Asker, Question
from wireroom.runs.queries import find_run

_MAX_KEY_CHARS = 255
LARGEST = 2**53
"""Of the numbers that are read from an address: what programs in JavaScript can say exactly."""
RowId = Annotated[int, Path(ge=1, le=LARGEST)]
Page = Annotated[int, Query(ge=1, le=1_000_000, description="1 for the first.")]
PerPage = Annotated[int, Query(ge=1, le=200, description="Items a page.")]
RequestId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[A-Za-z0-9._:-]+$",
        description="Yours; the same id twice is one run.",
    ),
]


def ask_once(
    conn: Connection, asker: Asker, question: Question, now_ms: int, *, to: Recipient | None = None
) -> AskedBody:
    """Store the question, or find the run that it became before.

    Raises:
        Conflict: the request id stands for another question.
    """
    run_id = asker.ask(conn, question, now_ms, to=to)
    if run_id is not None:
        return AskedBody(run_id=run_id, request_id=question.request_id, created=True)
    earlier = find_run(conn, question.request_id)
    if earlier is None or (earlier.lane, earlier.prompt) != (question.lane, question.text):
        raise Conflict(f"The request id {question.request_id} was used for something else. Use a fresh one.")
    return AskedBody(run_id=earlier.id, request_id=question.request_id, created=False)


def idempotency_key(request: Request, fields: Mapping[str, Any]) -> str | None:
    """Return the key by which the caller repeats one wish: the header, or `idempotencyKey` in the body.

    Raises:
        BadInput: it is none.
    """
    key = request.headers.get("idempotency-key") or fields.get("idempotencyKey") or None
    if key is not None and (not isinstance(key, str) or len(key) > _MAX_KEY_CHARS):
        raise BadInput(f"The idempotency key must be a string of at most {_MAX_KEY_CHARS} characters.")
    return key


def bounded_route(limit_bytes: int) -> type[LazyRoute]:
    """Return the kind of route that stops reading a body as soon as it is too large, and answers 413."""
    refusal = HTTPException(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have at most {limit_bytes} bytes."
    )

    class BoundedRoute(LazyRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def bounded(request: Request) -> Response:
                declared = request.headers.get("content-length", "")
                if declared.isdigit() and int(declared) > limit_bytes:
                    raise refusal
                return await handle(Request(request.scope, _counting(request)))

            return bounded

    def _counting(request: Request) -> Callable[[], Coroutine[Any, Any, Message]]:
        received = 0

        async def receive() -> Message:
            nonlocal received
            message = await request.receive()
            received += len(message.get("body", b""))
            if received > limit_bytes:
                raise refusal
            return message

        return receive

    return BoundedRoute
