"""`/api/access/accounts`: names with passwords, by which people log in to the page.

    POST /api/access/accounts {"name": "ada", "password": "…", "role": "viewer"}
    → {"name": "ada", "role": "viewer", "created_at": "…", "changed_at": "…"}

A password or a role that becomes another one ends the account's sessions, but not the one that asked for it.
"""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.api.access import MAX_BODY_BYTES, act, known_alone
from wireroom.api.access_accounts import (
    add_account,
    get_account,
    list_accounts,
    remove_account,
    set_password,
    set_role,
)
from wireroom.api.access_bodies import (
    AccountBody,
    AccountListBody,
    EndedBody,
    NewAccount,
    NewPassword,
    NewRole,
)
from wireroom.api.access_rules import PageRole, account_name, new_password
from wireroom.api.guard import caller_guard, caller_of
from wireroom.api.requests import bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _AccountRoutes(services)
    made = APIRouter(
        prefix="/api/access/accounts",
        tags=["access"],
        dependencies=[Depends(caller_guard(services)), Depends(known_alone)],
        route_class=bounded_route(MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("", routes.add, methods=["POST"], status_code=HTTPStatus.CREATED)
    made.add_api_route("/{name}/password", routes.change_password, methods=["PUT"])
    made.add_api_route("/{name}/role", routes.change_role, methods=["PUT"])
    made.add_api_route("/{name}", routes.remove, methods=["DELETE"])
    return made


class _AccountRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def _now_ms(self) -> int:
        return to_ms(self._services.clock.now())

    async def list_all(self, request: Request) -> AccountListBody:
        """List the accounts; for a viewer, the own one."""
        caller = caller_of(request)
        found = await self._services.db.read(list_accounts)
        shown = [one for one in found if caller.role is PageRole.OWNER or one.name == caller.name]
        return AccountListBody(accounts=[AccountBody.of(account) for account in shown])

    async def add(self, request: Request, wanted: NewAccount) -> AccountBody:
        """Make an account."""
        name = account_name(wanted.name)
        made = await self._services.passwords.hash(new_password(wanted.password, name=name))
        now_ms = self._now_ms

        def unit(conn: Connection) -> AccountBody:
            return AccountBody.of(add_account(conn, name, made, wanted.role, now_ms))

        return await act(self._services, request, "account.add", name, unit, detail=wanted.role)

    async def change_password(self, request: Request, name: str, wanted: NewPassword) -> EndedBody:
        """Give an account another password."""
        made = await self._services.passwords.hash(new_password(wanted.password, name=name))
        keep, now_ms = caller_of(request).session, self._now_ms

        def unit(conn: Connection) -> EndedBody:
            return EndedBody(ended=set_password(conn, name, made, now_ms, keep=keep))

        return await act(self._services, request, "account.password", name, unit)

    async def change_role(self, request: Request, name: str, wanted: NewRole) -> AccountBody:
        """Give an account another role."""
        caller, now_ms = caller_of(request), self._now_ms
        keep = caller.session if caller.name == name else None

        def unit(conn: Connection) -> AccountBody:
            set_role(conn, name, wanted.role, now_ms, keep=keep)
            return AccountBody.of(get_account(conn, name))

        return await act(self._services, request, "account.role", name, unit, detail=wanted.role)

    async def remove(self, request: Request, name: str) -> EndedBody:
        """Remove an account; its sessions end."""

        def unit(conn: Connection) -> EndedBody:
            return EndedBody(ended=remove_account(conn, name))

        return await act(self._services, request, "account.remove", name, unit)
