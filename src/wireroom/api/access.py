"""`/api/access`: who is logged in, the accounts, the people of the bot, and who did what.

Everybody who is logged in may look; a viewer sees the own account and sessions only. Changes are an owner's,
which the guard sees to. Each of them is in the audit, in the transaction of what it tells of.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.access_audit import WantedEntries, list_entries, names_in_audit
from wireroom.api.access_bodies import (
    AuditBody,
    AuditNamesBody,
    EndedBody,
    EntryBody,
    MeBody,
    NewPersonRole,
    PersonBody,
    PersonListBody,
    SessionBody,
    SessionListBody,
)
from wireroom.api.access_rules import PageRole
from wireroom.api.access_sessions import end_every_session, end_session_named, end_sessions_of, list_sessions
from wireroom.api.auth import Caller, take_session
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.paging import Cursor, cursor_of, read_cursor
from wireroom.api.requests import PerPage, RowId, bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import BadInput, NotFound, Refused
from wireroom.intake.people import change_role, forget_person, get_person, list_people

T = TypeVar("T")
MAX_BODY_BYTES = 10_000
_Word = Annotated[str | None, Query(max_length=200)]
_Since = Annotated[AwareDatetime | None, Query(description="Not before it; ISO 8601 with a zone.")]
_Until = Annotated[AwareDatetime | None, Query(description="Before it.")]
_Everybody = Annotated[bool, Query(description="Also everybody else's sessions.")]


async def known_alone(request: Request) -> None:
    """Refuse a program that a network is open to: access needs the secret or a session."""
    if caller_of(request).name == "network":
        raise Refused("Who may come in is told with the secret only: send it as `Authorization: Bearer …`.")


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _AccessRoutes(services)
    made = APIRouter(
        prefix="/api/access",
        tags=["access"],
        dependencies=[Depends(caller_guard(services)), Depends(known_alone)],
        route_class=bounded_route(MAX_BODY_BYTES),
    )
    made.add_api_route("/me", routes.me)
    made.add_api_route("/sessions", routes.sessions)
    made.add_api_route("/sessions/{session_id}", routes.sign_out, methods=["DELETE"])
    made.add_api_route("/sign-out-everywhere", routes.sign_out_everywhere, methods=["POST"])
    made.add_api_route("/people", routes.people)
    made.add_api_route("/people/{person_id}", routes.change_person, methods=["PUT"])
    made.add_api_route("/people/{person_id}", routes.remove_person, methods=["DELETE"])
    made.add_api_route("/audit", routes.audit)
    made.add_api_route("/audit/names", routes.audit_names)
    return made


def is_own(caller: Caller, account: str | None, session: str) -> bool:
    """Tell whether a session is the caller's own. Pure."""
    return session == caller.session or (account is not None and account == caller.name)


class _AccessRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db

    async def me(self, request: Request) -> MeBody:
        """Tell who is asking."""
        caller = caller_of(request)
        is_account = caller.session is not None and caller.name != "page"
        return MeBody(
            name=caller.name,
            role=caller.role,
            account=caller.name if is_account else None,
            session=caller.session,
        )

    async def sessions(self, request: Request) -> SessionListBody:
        """List the browsers that are logged in; for a viewer, the own ones."""
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())
        found = await self._db.read(lambda conn: list_sessions(conn, now_ms))
        shown = [
            view for view in found if caller.role is PageRole.OWNER or is_own(caller, view.account, view.id)
        ]
        return SessionListBody(sessions=[SessionBody.of(view, caller.session) for view in shown])

    async def sign_out(self, request: Request, session_id: str) -> EndedBody:
        """End one session; its live pages go dark within 15 s, everything else at once."""

        def unit(conn: Connection) -> EndedBody:
            if not end_session_named(conn, session_id):
                raise NotFound(f"There is no session {session_id}.")
            return EndedBody(ended=1)

        return await self._act(request, "session.sign-out", session_id, unit)

    async def sign_out_everywhere(
        self, request: Request, response: Response, everybody: _Everybody = False
    ) -> EndedBody:
        """End all sessions of the caller, this one too; those of login links are one person's."""
        caller = caller_of(request)
        if caller.session is None and not everybody:
            raise BadInput("You have no session. To end everybody's, ask for everybody=true.")

        def unit(conn: Connection) -> EndedBody:
            if everybody:
                return EndedBody(ended=end_every_session(conn))
            return EndedBody(ended=end_sessions_of(conn, None if caller.name == "page" else caller.name))

        whose = "everybody" if everybody else caller.name
        ended = await self._act(request, "session.sign-out-everywhere", whose, unit)
        take_session(response, request, self._services.settings)
        return ended

    async def people(self) -> PersonListBody:
        """List the people of the bots."""
        found, allowed = await self._db.read(list_people), self._services.settings.allowed_users
        return PersonListBody(
            people=[PersonBody.of(person, allowed) for person in found],
            allowed=list(allowed),
            has_bot=self._services.fresh_pairing_code is not None,
        )

    async def change_person(self, request: Request, person_id: RowId, wanted: NewPersonRole) -> PersonBody:
        """Make a person an owner, a member, or a stranger, who is not answered."""

        def unit(conn: Connection) -> PersonBody:
            change_role(conn, person_id, wanted.role)
            return PersonBody.of(get_person(conn, person_id), self._services.settings.allowed_users)

        return await self._act(request, "person.role", str(person_id), unit, detail=wanted.role)

    async def remove_person(self, request: Request, person_id: RowId) -> PersonBody:
        """Forget a person: who writes again is somebody new, and needs a pairing code."""

        def unit(conn: Connection) -> PersonBody:
            person = get_person(conn, person_id)
            forget_person(conn, person_id)
            return PersonBody.of(person, self._services.settings.allowed_users)

        return await self._act(request, "person.remove", str(person_id), unit)

    async def audit(
        self,
        *,
        who: _Word = None,
        action: _Word = None,
        since: _Since = None,
        until: _Until = None,
        per_page: PerPage = 50,
        cursor: Cursor = None,
    ) -> AuditBody:
        """List what was done and who did it, newest first."""
        after = read_cursor(cursor, int)
        wanted = WantedEntries(
            limit=per_page + 1,
            who=who or None,
            action=action or None,
            since_ms=to_ms(since) if since else None,
            until_ms=to_ms(until) if until else None,
            before_id=after[0] if after else None,
        )
        found = await self._db.read(lambda conn: list_entries(conn, wanted))
        shown = found[:per_page]
        following = cursor_of((shown[-1].id,)) if len(found) > per_page else None
        return AuditBody(entries=[EntryBody.of(entry) for entry in shown], next_cursor=following)

    async def audit_names(self) -> AuditNamesBody:
        """List the names and the actions that the audit can be asked for."""
        who, actions = await self._db.read(names_in_audit)
        return AuditNamesBody(who=list(who), actions=list(actions))

    async def _act(
        self,
        request: Request,
        action: str,
        subject: str,
        unit: Callable[[Connection], T],
        *,
        detail: str | None = None,
    ) -> T:
        return await act(self._services, request, action, subject, unit, detail=detail)


async def act(
    services: Services,
    request: Request,
    action: str,
    subject: str,
    unit: Callable[[Connection], T],
    *,
    detail: str | None = None,
) -> T:
    """Write the unit and its row of the audit, together."""
    caller, now_ms = caller_of(request), to_ms(services.clock.now())

    def whole(conn: Connection) -> T:
        result = unit(conn)
        note_action(conn, caller, action, subject, now_ms=now_ms, detail=detail)
        return result

    return await services.db.write(whole)
