"""The server of tools for coding agents, put beside the routes that do its work."""

from __future__ import annotations

import os
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from wireroom.api.auth import identify
from wireroom.api.errors import error_response
from wireroom.api.inside import call_inside
from wireroom.api.services import Services
from wireroom.app.http import documented
from wireroom.intake.access import same_secret
from wireroom.mcp.door import McpDoor, token_for_agents
from wireroom.mcp.spec import Answer, Call
from wireroom.workspaces.workspace import Workspaces

_WHO = "Send the secret, or the token for agents, as `Authorization: Bearer …`."


class InnerRoutes:
    """Calls the application's own routes; see `mcp.spec.RouteCalls`."""

    def __init__(self, app: ASGIApp, secret: str) -> None:
        """Call this application as a program that has the installation's secret."""
        self._app = app
        self._secret = secret

    async def call(self, call: Call) -> Answer:
        """Call the route and read its JSON."""
        body = b"" if call.body is None else msgspec.json.encode(call.body)
        answer = await call_inside(
            self._app, call.method, call.path, secret=self._secret, query=call.query_string, body=body
        )
        return Answer(answer.status, msgspec.json.decode(answer.body) if answer.body else None)


class McpGate:
    """Lets programs in by the installation's secret, and agents by a token that opens nothing else."""

    def __init__(self, services: Services, door: McpDoor) -> None:
        """Guard the door."""
        self._services = services
        self._door = door
        self._token = token_for_agents(services.api_secret)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or answer 401. A page session does not count: no page of ours comes here."""
        request = Request(scope)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        is_agent = scheme.lower() == "bearer" and same_secret(given.strip(), self._token)
        caller = None if is_agent else await identify(request, self._services)
        if not is_agent and (caller is None or caller.session is not None):
            refusal = error_response(request, HTTPStatus.UNAUTHORIZED, _WHO, {"WWW-Authenticate": "Bearer"})
            await refusal(scope, receive, send)
            return
        await self._door.serve(scope, receive, send)


def tools_beside_the_service(services: Services) -> InnerRoutes:
    """Return the routes for a process that looks and enqueues only; what it stores, the service does."""
    workspaces = Workspaces(services.settings, os.environ, services.clock)
    return InnerRoutes(documented(services, workspaces), services.api_secret)
