"""`/api/agents`: agents for the page, with their schedules in words, their next times and how they stand.

What changes agents is in `agents`, under the older service's addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.agents.agent import find_agent
from wireroom.agents.definition import fields_of, read_definition
from wireroom.agents.overview import AgentKind, LastCall, Overview, list_overviews, show_overview
from wireroom.agents.request import CallRequest
from wireroom.api.access_rules import PageRole
from wireroom.api.agent_bodies import told_to_viewers
from wireroom.api.agents import MAX_BODY_BYTES
from wireroom.api.bodies import iso
from wireroom.api.guard import caller_guard, caller_of
from wireroom.api.paging import Cursor, Piece, read_cursor
from wireroom.api.requests import bounded_route
from wireroom.api.schedules import Problem
from wireroom.api.services import Services
from wireroom.doctor.plain import without_secrets
from wireroom.errors import BadInput, NotFound

_TARGET_CHARS = 300
_ERROR_CHARS = 500
_CALLED = {"name": "x", "targetUrl": "http://localhost/", "oneTime": True}
_PROMPTED = {"name": "x", "prompt": "x", "oneTime": True}
_Fields = Annotated[dict[str, Any], Body(description="As `POST /agents` takes them.")]


class LastCallBody(BaseModel):
    """The call of an agent that ended last."""

    id: int
    state: str = Field(description="succeeded or dead.")
    finished_at: str
    duration_ms: int | None
    status_code: int | None
    error: str | None
    run_id: str | None

    @classmethod
    def of(cls, call: LastCall) -> LastCallBody:
        """Return the call as it is sent."""
        return cls(
            id=call.id,
            state=call.state,
            finished_at=iso(call.finished_at),
            duration_ms=call.duration_ms,
            status_code=call.status_code,
            error=None if call.error is None else call.error[:_ERROR_CHARS],
            run_id=call.run_id,
        )


class AgentLineBody(BaseModel):
    """An agent in a list."""

    name: str
    action: str = Field(description="call or prompt.")
    target: str = Field(description="The beginning of the prompt, or method and address.")
    queue: str
    words: str | None = Field(description="The schedule in words; null for a one-time agent.")
    timezone: str
    state: str = Field(description="active, paused, waiting or done.")
    next: list[str] = Field(description="The next times, at most three.")
    starts_at: str | None = Field(description="The schedule's start, as it was given.")
    ends_at: str | None = Field(description="The schedule's end, as it was given.")
    running: int
    waiting: int
    failures: int = Field(description="Calls that failed in a row up to now, counted up to 20.")
    last: LastCallBody | None

    @classmethod
    def of(cls, view: Overview, *, shows_secrets: bool) -> AgentLineBody:
        """Return the agent as it is sent."""
        agent = view.agent
        given = agent.given_schedule
        bounds: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        return cls(
            name=agent.name,
            action=agent.action,
            target=_target(view, shows_secrets=shows_secrets),
            queue=agent.queue,
            words=view.words,
            timezone=bounds.get("tz", agent.timezone),
            state=view.state.value,
            next=[iso(slot) for slot in view.next],
            starts_at=bounds.get("start") or None,
            ends_at=bounds.get("end") or None,
            running=view.running,
            waiting=view.waiting,
            failures=view.failures,
            last=None if view.last is None else LastCallBody.of(view.last),
        )


class AgentListBody(BaseModel):
    """Agents by name."""

    agents: list[AgentLineBody]
    next_cursor: str | None = Field(description="`cursor` of the next page; null after the last.")
    timezone: str = Field(description="The installation's, for agents that name none.")


class AgentBody(AgentLineBody):
    """One agent, with what it was made of."""

    definition: dict[str, Any] = Field(description="The fields of `POST /agents` that would make it again.")
    created_at: str
    updated_at: str


class CheckBody(BaseModel):
    """What would be said of an agent's fields."""

    problems: list[Problem] = Field(description="Empty when the agent can be made.")


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = _AgentViewRoutes(services)
    made = APIRouter(
        prefix="/api/agents",
        tags=["agents"],
        dependencies=[Depends(caller_guard(services))],
        route_class=bounded_route(MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("/check", routes.check, methods=["POST"])
    made.add_api_route("/{name}", routes.show)
    return made


class _AgentViewRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_all(
        self,
        request: Request,
        kind: AgentKind = AgentKind.ALL,
        search: Annotated[str, Query(max_length=200, description="What the name contains.")] = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        cursor: Cursor = None,
    ) -> AgentListBody:
        """List agents by name, with how they stand."""
        place = read_cursor(cursor, str)
        piece, sees_all = Piece(limit, 0, place), caller_of(request).role is PageRole.OWNER
        after = "" if place is None else place[0]
        found = piece.cut(
            await self._services.db.read(
                lambda conn: list_overviews(conn, kind=kind, search=search, limit=piece.limit, after=after)
            )
        )
        return AgentListBody(
            agents=[AgentLineBody.of(view, shows_secrets=sees_all) for view in found.items],
            next_cursor=found.cursor("name"),
            timezone=self._services.settings.time_zone,
        )

    async def show(self, request: Request, name: str) -> AgentBody:
        """Show one agent with its definition; who may only look sees nothing of it that may be secret."""
        view = await self._services.db.read(lambda conn: show_overview(conn, name))
        if view is None:
            raise NotFound(f'Agent "{name}" not found')
        agent = view.agent
        definition, sees_all = fields_of(agent.definition), caller_of(request).role is PageRole.OWNER
        return AgentBody(
            **AgentLineBody.of(view, shows_secrets=sees_all).model_dump(),
            definition=definition if sees_all else told_to_viewers(definition),
            created_at=iso(agent.created_at),
            updated_at=iso(agent.updated_at),
        )

    async def check(
        self,
        fields: _Fields,
        fresh: Annotated[bool, Query(description="The name must not be taken.")] = False,
    ) -> CheckBody:
        """Tell which fields of an agent cannot be meant, and why; nothing is stored."""
        zone = self._services.settings.time_zone
        problems = problems_of(fields, zone)
        name = fields.get("name")
        if fresh and isinstance(name, str) and name:
            problems += await self._services.db.read(lambda conn: _taken(conn, name))
        return CheckBody(problems=problems)


def problems_of(fields: Mapping[str, Any], timezone: str) -> list[Problem]:
    """Return what is wrong with each field for itself; if nothing is, with all of them together. Pure.

    Each field is read in an agent that is sound but for it, so that the reader's refusal is about that field.
    """
    of_zone = _problem({**_CALLED, "timezone": fields.get("timezone")}, "timezone", timezone)
    zone = {} if of_zone else {"timezone": fields.get("timezone")}
    found = [of_zone]
    for field, value in fields.items():
        if value is not None and field not in {"timezone", "oneTime"}:
            found.append(_problem({**_sound_but_for(field), **zone, field: value}, field, timezone))
    problems = [problem for problem in found if problem is not None]
    if problems:
        return problems
    is_timeless = not (fields.get("oneTime") or fields.get("schedule"))
    whole = _problem(fields, "schedule" if is_timeless and fields.get("name") else "name", timezone)
    return [] if whole is None else [whole]


def _sound_but_for(field: str) -> Mapping[str, Any]:
    match field:
        case "prompt" | "options":
            return _PROMPTED
        case "schedule":
            return {**_CALLED, "oneTime": False}
    return _CALLED


def _problem(fields: Mapping[str, Any], field: str, timezone: str) -> Problem | None:
    try:
        read_definition(fields, timezone)
    except BadInput as error:
        return Problem(field=field, message=str(error))
    return None


def _taken(conn: Connection, name: str) -> list[Problem]:
    if find_agent(conn, name) is None:
        return []
    return [Problem(field="name", message=f'There is an agent "{name}" already.')]


def _target(view: Overview, *, shows_secrets: bool) -> str:
    request = view.agent.definition.request
    if isinstance(request, CallRequest):
        url = request.url if shows_secrets else without_secrets(request.url)
        return f"{request.method} {url}"[:_TARGET_CHARS]
    return request.prompt[:_TARGET_CHARS]
