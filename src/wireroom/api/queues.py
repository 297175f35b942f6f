"""`/queues`: what agents' calls go through, with live counts.

Source: contract of cursor-agents, section A1; the differences are in docs/reference/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.agents.calls import CallState
from wireroom.agents.queries import NEWEST, calls_in_state
from wireroom.api.agent_bodies import call_body, queue_info
from wireroom.api.agent_lists import Before, Limit
from wireroom.api.agents import read_body
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import json_response
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import BadInput

T = TypeVar("T")


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = QueueRoutes(services)
    made = APIRouter(
        prefix="/queues",
        tags=["agents"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    for method, path, endpoint in (
        ("GET", "", routes.list_all),
        ("POST", "", routes.create),
        ("GET", "/{name}", routes.show),
        ("PATCH", "/{name}", routes.change),
        ("DELETE", "/{name}", routes.delete),
        ("GET", "/{name}/calls", routes.calls),
        ("POST", "/{name}/pause", routes.pause),
        ("POST", "/{name}/resume", routes.resume),
        ("POST", "/{name}/purge", routes.purge),
    ):
        made.add_api_route(path, endpoint, methods=[method], response_class=Response)
    return made


class QueueRoutes:
    """The routes of queues."""

    def __init__(self, services: Services) -> None:
        """Keep the service's parts."""
        self._services = services
        self._queues = services.desk.queues

    async def list_all(self) -> Response:
        """List the queues by name."""
        now_ms = self._now_ms()
        found = await self._services.db.read(lambda conn: self._queues.list(conn, now_ms))
        return json_response({"queues": [queue_info(queue) for queue in found]})

    async def show(self, name: str) -> Response:
        """Show one queue."""
        now_ms = self._now_ms()
        found = await self._services.db.read(lambda conn: self._queues.show(conn, name, now_ms))
        return json_response(queue_info(found))

    async def create(self, request: Request) -> Response:
        """Make a queue that stays until it is deleted: `name`, `concurrency`, `paused`."""
        fields = await read_body(request)
        name = fields.get("name")
        if not isinstance(name, str) or not name:
            raise BadInput("Missing required fields: name")
        concurrency, paused = _number(fields.get("concurrency")), fields.get("paused") is True
        await self._act(
            request,
            "queue.create",
            name,
            lambda conn, now_ms: self._queues.create(
                conn, name, now_ms, concurrency=concurrency, paused=paused
            ),
        )
        return await self._done(name, f'Queue "{name}" created successfully')

    async def change(self, request: Request, name: str) -> Response:
        """Say how many calls of a queue are made at once: `concurrency`, null for the setting's number."""
        fields = await read_body(request)
        if fields.keys() != {"concurrency"}:
            raise BadInput("Send concurrency, and nothing else.")
        concurrency = _number(fields["concurrency"])
        await self._act(
            request,
            "queue.change",
            name,
            lambda conn, now_ms: self._queues.widen(conn, name, concurrency, now_ms),
        )
        return await self._done(name, f'Queue "{name}" changed successfully')

    async def delete(self, request: Request, name: str) -> Response:
        """Delete an idle queue for good; 409 while agents or calls need it."""
        await self._act(
            request, "queue.delete", name, lambda conn, now_ms: self._queues.delete(conn, name, now_ms)
        )
        return json_response({"success": True, "message": f'Queue "{name}" deleted successfully'})

    async def calls(
        self, name: str, state: CallState = CallState.DEAD, limit: Limit = 50, before: Before = NEWEST
    ) -> Response:
        """List a queue's calls in one state, newest first; its dead letters, unless another is named."""
        now_ms = self._now_ms()

        def unit(conn: Connection) -> list[dict[str, object]]:
            self._queues.show(conn, name, now_ms)
            return [call_body(call) for call in calls_in_state(conn, name, state, limit=limit, before=before)]

        found = await self._services.db.read(unit)
        more = {"next": found[-1]["id"]} if len(found) == limit else {}
        return json_response({"calls": found, **more})

    async def pause(self, request: Request, name: str) -> Response:
        """Begin no more calls of the queue; those that are being made go on."""
        await self._act(
            request, "queue.pause", name, lambda conn, now_ms: self._queues.pause(conn, name, now_ms)
        )
        return await self._done(name, f'Queue "{name}" paused successfully')

    async def resume(self, request: Request, name: str) -> Response:
        """Go on with what waits."""
        await self._act(
            request, "queue.resume", name, lambda conn, now_ms: self._queues.resume(conn, name, now_ms)
        )
        return await self._done(name, f'Queue "{name}" resumed successfully')

    async def purge(self, request: Request, name: str) -> Response:
        """Forget the queue's calls that are over."""
        purged = 0
        while gone := await self._act(
            request, "queue.purge", name, lambda conn, now_ms: self._queues.purge(conn, name, now_ms)
        ):
            purged += gone
        return json_response(
            {
                "success": True,
                "message": f'Queue "{name}" purged successfully',
                "purged": purged,
            }
        )

    async def _done(self, name: str, message: str) -> Response:
        now_ms = self._now_ms()
        found = await self._services.db.read(lambda conn: self._queues.show(conn, name, now_ms))
        return json_response({"success": True, "message": message, "queue": queue_info(found)})

    def _now_ms(self) -> int:
        return to_ms(self._services.clock.now())

    async def _act(
        self, request: Request, action: str, subject: str, unit: Callable[[Connection, int], T]
    ) -> T:
        """Write the unit and its row of the audit, together."""
        caller, now_ms = caller_of(request), self._now_ms()

        def whole(conn: Connection) -> T:
            result = unit(conn, now_ms)
            note_action(conn, caller, action, subject, now_ms=now_ms)
            return result

        return await self._services.db.write(whole)


def _number(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadInput("concurrency must be a whole number.")
    return value
