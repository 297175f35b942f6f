"""`/api/permissions`: what agents want to be allowed, and people's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.api.auth import Caller
from wireroom.api.bodies import iso, iso_or_none
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.requests import bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import Conflict, NotFound
from wireroom.runs.permission_rows import (
    PermissionView,
    find_permission,
    open_permissions,
    permissions_of_run,
)
from wireroom.runs.permission_words import NOT_TAKEN, Answer, Taken
from wireroom.runs.permissions import answer_question

_MAX_BODY_BYTES = 1000


class PermissionBody(BaseModel):
    """A question of an agent."""

    id: str
    run_id: str
    conversation_id: str
    tool: str = Field(description="What it wants to use: execute, edit, fetch, or a tool's own name.")
    subject: str = Field(description="What with: a command, a path, in one line.")
    state: str = Field(description="asked, allowed, allowed_session, denied or expired.")
    open: bool = Field(description="An answer still reaches the agent.")
    asked_at: str
    expires_at: str
    answered_at: str | None
    answered_by: str | None

    @classmethod
    def of(cls, view: PermissionView, now_ms: int) -> PermissionBody:
        """Return the question as it is sent."""
        return cls(
            id=view.id,
            run_id=view.run_id,
            conversation_id=view.conversation_id,
            tool=view.tool,
            subject=view.subject,
            state=view.state.value,
            open=view.is_open(now_ms),
            asked_at=iso(view.asked_at),
            expires_at=iso(view.expires_at),
            answered_at=iso_or_none(view.answered_at),
            answered_by=view.answered_by,
        )


class PermissionListBody(BaseModel):
    """Questions."""

    permissions: list[PermissionBody]


class AnswerBody(BaseModel):
    """A person's answer."""

    answer: Answer = Field(description="allow (once), session (every use in this conversation) or deny.")


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _PermissionRoutes(services)
    made = APIRouter(
        prefix="/api/permissions",
        tags=["permissions"],
        dependencies=[Depends(caller_guard(services))],
        route_class=bounded_route(_MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_permissions)
    made.add_api_route("/{permission_id}", routes.show)
    made.add_api_route("/{permission_id}", routes.answer, methods=["POST"])
    return made


class _PermissionRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_permissions(
        self, run_id: Annotated[str | None, Query(description="All of this run, newest first.")] = None
    ) -> PermissionListBody:
        """List the questions that can be answered now, the most urgent first; or all of one run."""
        now_ms = to_ms(self._services.clock.now())

        def read(conn: Connection) -> Sequence[PermissionView]:
            return permissions_of_run(conn, run_id) if run_id else open_permissions(conn, now_ms)

        found = await self._services.db.read(read)
        return PermissionListBody(permissions=[PermissionBody.of(view, now_ms) for view in found])

    async def show(self, permission_id: str) -> PermissionBody:
        """Show a question."""
        now_ms = to_ms(self._services.clock.now())
        view = await self._services.db.read(lambda conn: _existing(conn, permission_id))
        return PermissionBody.of(view, now_ms)

    async def answer(self, request: Request, permission_id: str, said: AnswerBody) -> PermissionBody:
        """Answer a question; the agent goes on at once. 409 when it is answered already, or too late."""
        caller = caller_of(request)
        return await self._services.db.write(
            lambda conn: self._answer(conn, caller, permission_id, said.answer)
        )

    def _answer(self, conn: Connection, caller: Caller, permission_id: str, answer: Answer) -> PermissionBody:
        now_ms = to_ms(self._services.clock.now())
        taken = answer_question(
            conn,
            permission_id,
            answer,
            by=caller.name,
            now_ms=now_ms,
            publish=self._services.feed.publish,
        )
        view = _existing(conn, permission_id)
        if taken is not Taken.TAKEN:
            raise Conflict(NOT_TAKEN[taken])
        note_action(conn, caller, f"permission.{answer}", permission_id, now_ms=now_ms, detail=view.tool)
        return PermissionBody.of(view, now_ms)


def _existing(conn: Connection, permission_id: str) -> PermissionView:
    view = find_permission(conn, permission_id)
    if view is None:
        raise NotFound(f"There is no question {permission_id}.")
    return view
