"""`/api/callbacks`: what callers are still to be told, and the dead letters to retry or discard."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.bodies import Pagination, iso, iso_or_none
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.paging import Cursor, piece_of
from wireroom.api.requests import Page, PerPage, RowId
from wireroom.api.services import Services
from wireroom.api.streaming import DESCRIBED as LINES
from wireroom.api.streaming import wants_lines, whole_list
from wireroom.callbacks.outbox import CallbackState, discard_callback, retry_callback
from wireroom.callbacks.queries import CallbackView, callback_state, count_callbacks, list_callbacks
from wireroom.clock import to_ms
from wireroom.errors import Conflict, NotFound


class CallbackBody(BaseModel):
    """A callback."""

    id: int
    run_id: str | None
    address: str = Field(description="Where it goes, without the query.")
    state: str = Field(description="waiting, pending, sending, sent, dead or discarded.")
    error: str | None = Field(description="Why it is dead, or what the last try said.")
    status_code: int | None = Field(description="The last answer's.")
    attempts: int
    created_at: str
    due_at: str | None = Field(description="When it is tried next.")
    sent_at: str | None

    @classmethod
    def of(cls, callback: CallbackView) -> CallbackBody:
        """Return the callback as it is sent."""
        return cls(
            id=callback.id,
            run_id=callback.run_id,
            address=callback.address,
            state=callback.state.value,
            error=callback.error,
            status_code=callback.status_code,
            attempts=callback.attempts,
            created_at=iso(callback.created_at),
            due_at=iso_or_none(callback.due_at),
            sent_at=iso_or_none(callback.sent_at),
        )


class CallbackListBody(BaseModel):
    """One page of callbacks, newest first."""

    callbacks: list[CallbackBody]
    pagination: Pagination


class CallbackStateBody(BaseModel):
    """Where a callback stands after an action."""

    id: int
    state: str


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _CallbackRoutes(services)
    made = APIRouter(
        prefix="/api/callbacks",
        tags=["callbacks"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.list_callbacks, response_model=CallbackListBody, responses=LINES)
    made.add_api_route("/{callback_id}/retry", routes.retry, methods=["POST"])
    made.add_api_route("/{callback_id}/discard", routes.discard, methods=["POST"])
    return made


class _CallbackRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_callbacks(
        self,
        request: Request,
        *,
        state: CallbackState | None = None,
        page: Page = 1,
        per_page: PerPage = 50,
        cursor: Cursor = None,
    ) -> CallbackListBody | Response:
        """List callbacks, newest first; `state=dead` lists the dead letters.

        Asked for as lines of JSON, it lists all of them.
        """
        if wants_lines(request):
            return whole_list(
                self._services.db,
                lambda conn, before, size: list_callbacks(conn, state=state, limit=size, before=before),
                lambda callback: callback.id,
                lambda callback: CallbackBody.of(callback).model_dump_json().encode(),
            )
        piece = piece_of(page, per_page, cursor, int)
        before = None if piece.after is None else piece.after[0]
        read, total = await self._services.db.read(
            lambda conn: (
                list_callbacks(conn, state=state, limit=piece.limit, offset=piece.offset, before=before),
                count_callbacks(conn, state=state),
            )
        )
        found = piece.cut(read)
        callbacks = [CallbackBody.of(callback) for callback in found.items]
        standing = Pagination.of(page, per_page, total, found.cursor("id"))
        return CallbackListBody(callbacks=callbacks, pagination=standing)

    async def retry(self, request: Request, callback_id: RowId) -> CallbackStateBody:
        """Send a dead callback again, with the idempotency key that it had."""
        return await self._act(request, callback_id, "callback.retry")

    async def discard(self, request: Request, callback_id: RowId) -> CallbackStateBody:
        """Drop a dead callback for good."""
        return await self._act(request, callback_id, "callback.discard")

    async def _act(self, request: Request, callback_id: int, action: str) -> CallbackStateBody:
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> CallbackStateBody:
            before = callback_state(conn, callback_id)
            if before is None:
                raise NotFound(f"There is no callback {callback_id}.")
            if before is not CallbackState.DEAD:
                raise Conflict(f"Callback {callback_id} is {before}, not dead.")
            if action == "callback.retry":
                retry_callback(conn, self._services.jobs, callback_id, now_ms)
            else:
                discard_callback(conn, callback_id)
            note_action(conn, caller, action, str(callback_id), now_ms=now_ms)
            return CallbackStateBody(id=callback_id, state=callback_state(conn, callback_id) or before)

        return await self._services.db.write(unit)
