"""`/admin/profile/*`: looks into the running service, for who has its secret or a session of its page.

    GET /admin/profile/cpu?seconds=10
    → {"seconds": 10.0, "taken_by": "py-spy", "cpu_seconds": 1.4, "threads": {…}, "ours": […], "hottest": […]}

`format=speedscope` gives a file for https://www.speedscope.app, `format=html` a flame graph as a page.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.guard import caller_guard, caller_of
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.errors import BadInput, NotFound, Refused
from wireroom.perf.profile_flame import SCRIPT_SOURCE, flame_page, speedscope
from wireroom.perf.profiles import LONGEST_SECONDS, ProfileKind, Profiler, Taken

DEFAULT_SECONDS = 10.0
Format = Literal["json", "speedscope", "html"]
Seconds = Annotated[float, Query(description=f"How long to look, at most {LONGEST_SECONDS:.0f}.")]
Within = Annotated[bool, Query(description="Take a CPU profile from within, even where py-spy may look.")]
Period = Annotated[float | None, Query(description="How long to count; none: since the start.")]
_NOT_KEPT = {"Cache-Control": "no-store"}
_PICTURE_HEADERS = _NOT_KEPT | {
    "Content-Security-Policy": f"default-src 'none'; style-src 'unsafe-inline'; script-src {SCRIPT_SOURCE}"
}


def router(services: Services) -> APIRouter:
    """Return the routes; a program that needs no secret elsewhere needs it here."""
    routes = _ProfileRoutes(services)
    made = APIRouter(
        prefix="/admin/profile",
        tags=["admin"],
        dependencies=[Depends(caller_guard(services)), Depends(admins_alone)],
        route_class=LazyRoute,
    )
    made.add_api_route("/endpoints", routes.endpoints, response_class=Response)
    made.add_api_route("/watches", routes.watches, response_class=Response)
    made.add_api_route("/{kind}", routes.take, response_class=Response)
    return made


async def admins_alone(request: Request) -> None:
    """Refuse a program that a network is open to: these routes need the secret or a session."""
    if caller_of(request).name == "network":
        raise Refused("Profiles need the secret: send it as `Authorization: Bearer …`.")


class _ProfileRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def take(
        self,
        kind: ProfileKind,
        seconds: Seconds = DEFAULT_SECONDS,
        format: Format = "json",  # noqa: A002 - the name in the address
        within: Within = False,
    ) -> Response:
        """Look at cpu, memory, sql or loop for so long; 409 while another profile is taken."""
        if kind is ProfileKind.SQL and format != "json":
            raise BadInput("Statements have no flame graph; ask for format=json.")
        taken = await self._profiler().take(kind, seconds, within=within)
        if self._services.shelf is not None:
            await self._services.shelf.keep(kind, seconds, taken)
        return _json(taken.report) if format == "json" else _picture(taken, f"Wireroom: {kind}", format)

    async def endpoints(self, seconds: Period = None) -> Response:
        """Return calls, errors and percentiles of every route that was called."""
        return _json(await self._profiler().endpoints(seconds))

    async def watches(self) -> Response:
        """Return the last blocks of the event loop, and what grows and does not come back."""
        return _json(self._profiler().watches())

    def _profiler(self) -> Profiler:
        profiler = self._services.profiler
        if profiler is None:
            raise NotFound("This process cannot be profiled.")
        return profiler


def _picture(taken: Taken, title: str, format: Format) -> Response:  # noqa: A002 - as in the route
    if format == "speedscope":
        return _json(speedscope(taken.samples, name=title, unit=taken.unit))
    page = flame_page(taken.samples, title=title, unit=taken.unit, facts=taken.facts)
    return Response(page, headers=_PICTURE_HEADERS, media_type="text/html")


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json", headers=_NOT_KEPT)
