"""`GET /admin/bottlenecks`: what makes people wait, and what to do, for who has the secret or a session.

    GET /admin/bottlenecks?seconds=10
    → {"from_ms": …, "to_ms": …, "seconds": 10.0, "causes": [{"kind": "missing index", "what": "runs in …",
       "cost_seconds": 4.1, "shown_by": ["…"], "advice": "…"}]}

Without `seconds` the period is all since the start; `format=html` gives a page.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.profile import admins_alone
from wireroom.api.services import Services
from wireroom.errors import BadInput, NotFound
from wireroom.perf.bottlenecks import Bottlenecks, rank
from wireroom.perf.bottlenecks_page import bottlenecks_page
from wireroom.perf.gather import Period, started_ms
from wireroom.perf.profiles import LONGEST_SECONDS
from wireroom.store.plans import look_up_plans

_PLANS = 20
"""Statements whose plans are looked at, the dearest."""
Seconds = Annotated[float | None, Query(description="How long to look; none: since the start.")]
_HEADERS = {"Cache-Control": "no-store"}
_PAGE_HEADERS = _HEADERS | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def router(services: Services) -> APIRouter:
    """Return the route."""
    made = APIRouter(
        prefix="/admin/bottlenecks",
        tags=["admin"],
        dependencies=[Depends(caller_guard(services)), Depends(admins_alone)],
        route_class=LazyRoute,
    )

    async def bottlenecks(
        seconds: Seconds = None,
        format: Literal["json", "html"] = "json",  # noqa: A002 - the name in the address
    ) -> Response:
        """Rank what made people wait, with what shows it and what to do."""
        found = await _look(services, seconds)
        if format == "html":
            return Response(bottlenecks_page(found), headers=_PAGE_HEADERS, media_type="text/html")
        return Response(msgspec.json.encode(found), headers=_HEADERS, media_type="application/json")

    made.add_api_route("", bottlenecks, response_class=Response)
    return made


async def _look(services: Services, seconds: float | None) -> Bottlenecks:
    profiler = services.profiler
    if profiler is None:
        raise NotFound("This process cannot be looked into.")
    if seconds is not None and not 0 < seconds <= LONGEST_SECONDS:
        raise BadInput(f"seconds must be more than 0 and at most {LONGEST_SECONDS:.0f}.")
    period = Period(
        lambda: profiler.watches().blocks,
        lambda: profiler.watches().growth,
        since_ms=started_ms() if seconds is None else None,
    )
    await asyncio.sleep(seconds or 0)
    dearest = [one.shape for one in period.evidence().statements[:_PLANS]]
    await look_up_plans(services.db, dearest)
    return rank(period.evidence())
