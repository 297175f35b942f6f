"""`/agents`: scheduled and one-time agents, made, looked at, changed, run, paused, deleted; and their calls.

Source: contract of cursor-agents, sections A1 and A2; the differences are in
docs/reference/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from wireroom.agents.agent import find_agent, get_agent
from wireroom.agents.definition import Definition, changed_fields, read_definition
from wireroom.agents.queries import AgentView, show_agent, show_call
from wireroom.agents.records import Saved
from wireroom.api.access_rules import PageRole
from wireroom.api.agent_bodies import agent_status, call_body, created_agent, job_id
from wireroom.api.agent_lists import AgentLists
from wireroom.api.errors import answer_error
from wireroom.api.guard import admission, caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import json_response
from wireroom.api.program_bodies import read_fields
from wireroom.api.requests import RowId, idempotency_key
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import Conflict, NotFound, WireroomError
from wireroom.intake.webhook import BodyTooLarge

T = TypeVar("T")
MAX_BODY_BYTES = 1024 * 1024


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes, lists = AgentRoutes(services), AgentLists(services)
    made = APIRouter(
        prefix="/agents",
        tags=["agents"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    for method, path, endpoint in (
        ("POST", "", routes.create),
        ("GET", "", lists.list_all),
        ("GET", "/{name}", routes.show),
        ("PUT", "/{name}", routes.replace),
        ("PATCH", "/{name}", routes.change),
        ("DELETE", "/{name}", routes.delete),
        ("POST", "/{name}/run", routes.run_now),
        ("POST", "/{name}/pause", routes.pause),
        ("POST", "/{name}/resume", routes.resume),
        ("GET", "/{name}/calls", lists.calls),
        ("POST", "/{name}/calls/{call_id}/retry", routes.retry),
    ):
        made.add_api_route(path, endpoint, methods=[method], response_class=Response)
    return made


class QuickPost(Route):
    """`POST /agents` on the short way: programs post thousands of one-time agents.

    It leaves other methods to the routes behind it, which also describe this one.
    """

    def __init__(self, services: Services) -> None:
        """Serve it by the same code as the described route."""
        self._admit = admission(services)
        self._routes = AgentRoutes(services)
        super().__init__("/agents", self.create, methods=["POST"])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match nothing but POST."""
        match, child = super().matches(scope)
        return (match, child) if match is Match.FULL else (Match.NONE, {})

    async def create(self, request: Request) -> Response:
        """Answer as the described route does, in its errors too."""
        try:
            request.state.caller = await self._admit(request)
            return await self._routes.create(request)
        except (WireroomError, HTTPException) as error:
            return await answer_error(request, error)
        except ClientDisconnect:
            raise
        except Exception as error:  # noqa: BLE001 - a route's top: it is logged and answered 500
            return await answer_error(request, error)


async def read_body(request: Request) -> dict[str, Any]:
    """Return the body's fields; an empty body has none.

    Raises:
        BadInput: it is no JSON object.
        HTTPException: 413, it is too long.
    """
    try:
        return await read_fields(request, MAX_BODY_BYTES)
    except BodyTooLarge as error:
        raise HTTPException(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body may have at most {MAX_BODY_BYTES} bytes."
        ) from error


class AgentRoutes:
    """The routes of agents."""

    def __init__(self, services: Services) -> None:
        """Keep the service's parts."""
        self._services = services
        self._desk = services.desk

    async def create(self, request: Request) -> Response:
        """Make an agent, or bring the one of this name up to date; a one-time agent is called at once.

        With `at`, a time, it is called then. A schedule that is an object may have a `start` and an `end`.
        `Idempotency-Key`, or `idempotencyKey` in the body, makes repetitions of a one-time agent one call.
        """
        fields = await read_body(request)
        definition = self._read(fields)
        key = idempotency_key(request, fields)
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> Saved:
            if not definition.is_one_time:
                # A one-time agent's call says itself who asked for it.
                note_action(conn, caller, "agent.save", definition.name, now_ms=now_ms)
            return self._desk.agents.save(conn, definition, now_ms, asked_by=caller.name, idempotency_key=key)

        return _created(definition, await self._services.db.write(unit))

    async def show(self, request: Request, name: str) -> Response:
        """Show one agent, what it does now and did last."""
        sees_all = caller_of(request).role is PageRole.OWNER
        return json_response(agent_status(await self._view(name), shows_secrets=sees_all))

    async def replace(self, request: Request, name: str) -> Response:
        """Make the agent of this name, or put this definition in its place."""
        definition = self._read({**await read_body(request), "name": name})
        saved = await self._act(
            request, "agent.save", name, lambda conn, now_ms: self._desk.agents.save(conn, definition, now_ms)
        )
        return _created(definition, saved)

    async def change(self, request: Request, name: str) -> Response:
        """Change some fields of an agent that has a schedule, or gets one."""
        changes = await read_body(request)

        def unit(conn: Connection, now_ms: int) -> tuple[Definition, Saved]:
            known = get_agent(conn, name).definition
            definition = self._read(_merged(known, changes))
            if definition.is_one_time:
                raise Conflict(f'Agent "{name}" has no schedule; post it again to have it called again.')
            return definition, self._desk.agents.save(conn, definition, now_ms)

        definition, saved = await self._act(request, "agent.change", name, unit)
        return _created(definition, saved, f'Agent "{name}" changed successfully')

    async def delete(self, request: Request, name: str) -> Response:
        """Delete an agent: its schedule ends, what waits is taken back, what works is stopped."""
        await self._act(
            request, "agent.delete", name, lambda conn, now_ms: self._desk.agents.delete(conn, name, now_ms)
        )
        return json_response({"success": True, "message": f'Agent "{name}" deleted successfully'})

    async def run_now(self, request: Request, name: str) -> Response:
        """Call it now, whatever its schedule says."""
        key = idempotency_key(request, await read_body(request))
        saved = await self._act(
            request,
            "agent.run",
            name,
            lambda conn, now_ms: self._desk.agents.run_now(conn, name, now_ms, idempotency_key=key),
        )
        return json_response(
            {
                "success": True,
                "message": f'Agent "{name}" is called',
                "jobId": job_id(name, saved),
                "callId": saved.call_id,
            }
        )

    async def pause(self, request: Request, name: str) -> Response:
        """Let its schedule rest; what waits or works goes on."""
        await self._act(
            request, "agent.pause", name, lambda conn, now_ms: self._desk.agents.pause(conn, name, now_ms)
        )
        return json_response({"success": True, "agent": agent_status(await self._view(name))})

    async def resume(self, request: Request, name: str) -> Response:
        """Let its schedule go on; the slots of the pause are noted as skipped."""
        await self._act(
            request, "agent.resume", name, lambda conn, now_ms: self._desk.agents.resume(conn, name, now_ms)
        )
        return json_response({"success": True, "agent": agent_status(await self._view(name))})

    async def retry(self, request: Request, name: str, call_id: RowId) -> Response:
        """Try a dead call again, with all its attempts."""

        def unit(conn: Connection, now_ms: int) -> dict[str, Any]:
            agent, call = find_agent(conn, name), show_call(conn, call_id)
            if agent is None or call is None or call.agent_id != agent.id:
                raise NotFound(f'Call {call_id} of agent "{name}" not found')
            if not self._desk.calls.retry(conn, call_id, now_ms):
                raise Conflict(f"Call {call_id} is {call.state}, not dead.")
            again = show_call(conn, call_id)
            return call_body(again or call)

        call = await self._act(request, "agent.retry", str(call_id), unit)
        return json_response({"success": True, "call": call})

    def _read(self, fields: Mapping[str, Any]) -> Definition:
        return read_definition(fields, self._services.settings.time_zone)

    async def _view(self, name: str) -> AgentView:
        view = await self._services.db.read(lambda conn: show_agent(conn, name))
        if view is None:
            raise NotFound(f'Agent "{name}" not found')
        return view

    async def _act(
        self, request: Request, action: str, subject: str, unit: Callable[[Connection, int], T]
    ) -> T:
        """Write the unit and its row of the audit, together."""
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def whole(conn: Connection) -> T:
            result = unit(conn, now_ms)
            note_action(conn, caller, action, subject, now_ms=now_ms)
            return result

        return await self._services.db.write(whole)


def _created(definition: Definition, saved: Saved, message: str | None = None) -> Response:
    return json_response(
        {
            "success": True,
            "message": message or f'Agent "{definition.name}" created successfully',
            "agent": created_agent(definition, saved),
        }
    )


def _merged(known: Definition, changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = changed_fields(known, changes)
    if changes.get("schedule"):
        merged["oneTime"] = False
    return merged
