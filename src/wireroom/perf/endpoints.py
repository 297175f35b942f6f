"""How each route answers: counts and percentiles by its template, never by a raw path.

Always on: two looks at the clock and one count a request. `/metrics` shows the same figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wireroom.perf.evidence import EndpointFigures
from wireroom.perf.metrics import HTTP_ERRORS, REGISTRY
from wireroom.perf.timings import Timings

NOWHERE = "no route"
"""Requests that were answered before any route took them; one name, since anybody can invent paths."""
_BOUNDS = range(8, 25, 2)
"""From 2 ** 8 µs to 2 ** 24 µs in steps of four times: 0.26 ms to 16.8 s."""
_NOT_COUNTED = "/admin/"
"""Their answers take as long as was asked for."""
_EVENT_STREAM = b"text/event-stream"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


@dataclass(slots=True)
class Route:
    """What is known of one route."""

    timings: Timings = field(default_factory=Timings)
    errors: int = 0


Snapshot = Mapping[str, Route]


class Endpoints:
    """Counts requests by method and template of their route."""

    def __init__(self) -> None:
        """Begin with nothing counted."""
        self._routes: dict[str, Route] = {}

    def name_of(self, scope: Scope) -> str:
        """Return the route of an answered request; of one answered from a cache, the one that made it."""
        found = route_of(scope)
        if found == NOWHERE:
            plain = f"{scope['method']} {scope['path']}"
            return plain if plain in self._routes else NOWHERE
        return found

    def note(self, route: str, seconds: float, *, failed: bool = False) -> None:
        """Count one answer; on the loop's thread."""
        found = self._routes.get(route)
        if found is None:
            found = self._routes[route] = Route()
        found.timings.add(seconds)
        if failed:
            found.errors += 1
            HTTP_ERRORS.labels(route).inc()

    def snapshot(self) -> Snapshot:
        """Return the state now, which further requests do not change; from any thread."""
        routes = list(self._routes.items())
        return {name: Route(route.timings.copy(), route.errors) for name, route in routes}

    def total(self) -> Route:
        """Return the state of all routes together; from any thread."""
        return total_of(list(self._routes.values()))

    def figures(self, since: Snapshot | None = None) -> list[EndpointFigures]:
        """Return what every called route did since then, the one that took most time in all first."""
        return figures_between(since or {}, self._routes)


def total_of(routes: Collection[Route]) -> Route:
    """Return several routes together. Pure."""
    timings = [route.timings for route in routes]
    counts = [sum(same) for same in zip(*(one.counts for one in timings), strict=True)]
    total = Timings(
        counts or Timings().counts,
        sum(one.total_seconds for one in timings),
        max((one.slowest_seconds for one in timings), default=0.0),
    )
    return Route(total, sum(route.errors for route in routes))


def figures_between(before: Snapshot, after: Snapshot) -> list[EndpointFigures]:
    """Return the figures of the period between two snapshots, the route with most time first. Pure."""
    found = []
    for name, route in after.items():
        then = before.get(name)
        timings = route.timings.since(None if then is None else then.timings)
        if timings.calls:
            errors = route.errors - (0 if then is None else then.errors)
            found.append(_figures(name, timings, errors))
    return sorted(found, key=lambda one: -one.total_seconds)


def _figures(name: str, timings: Timings, errors: int) -> EndpointFigures:
    return EndpointFigures(
        route=name,
        calls=timings.calls,
        errors=errors,
        total_seconds=timings.total_seconds,
        p50_seconds=timings.percentile(0.5),
        p95_seconds=timings.percentile(0.95),
        p99_seconds=timings.percentile(0.99),
        slowest_seconds=timings.slowest_seconds,
    )


class Metered:
    """Notes every HTTP request that the app answers; an event stream counts until it has begun."""

    def __init__(
        self, app: ASGIApp, endpoints: Endpoints, *, now: Callable[[], float] = time.perf_counter
    ) -> None:
        """Serve `app`; `now` gives seconds that only grow."""
        self._app = app
        self._endpoints = endpoints
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"].startswith(_NOT_COUNTED):
            await self._app(scope, receive, send)
            return
        started = self._now()
        status, begun_at = 0, 0.0

        async def noting(message: Message) -> None:
            nonlocal status, begun_at
            if message["type"] == "http.response.start":
                status = message["status"]
                begun_at = self._now() if _is_stream(message) else 0.0
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            seconds = (begun_at or self._now()) - started
            self._endpoints.note(self._endpoints.name_of(scope), seconds, failed=failed or not status)


def route_of(scope: Scope) -> str:
    """Return method and template of the route that took the request: `GET /api/runs/{run_id}`. Pure."""
    template, method = getattr(scope.get("route"), "path_format", None), scope["method"]
    return NOWHERE if template is None or method not in _METHODS else f"{method} {template}"


def _is_stream(message: Message) -> bool:
    headers: Iterable[tuple[bytes, bytes]] = message.get("headers", ())
    return any(name == b"content-type" and value.startswith(_EVENT_STREAM) for name, value in headers)


class EndpointCollector(Collector):
    """Shows the figures on `/metrics`, made when they are asked for."""

    _labelnames = ("route",)
    """As on the library's own metrics, for what lists them."""

    def __init__(self, endpoints: Endpoints) -> None:
        """Show these."""
        self._endpoints = endpoints

    def describe(self) -> Iterable[Metric]:
        """Return the histogram without routes."""
        return [_family()]

    def collect(self) -> Iterable[Metric]:
        """Return one histogram, with the routes that were called."""
        family = _family()
        for name, route in self._endpoints.snapshot().items():
            timings = route.timings
            buckets = [(f"{bound:.6g}", count) for bound, count in timings.up_to(_BOUNDS)]
            family.add_metric([name], [*buckets, ("+Inf", timings.calls)], timings.total_seconds)
        return [family]


def _family() -> HistogramMetricFamily:
    return HistogramMetricFamily(
        "wireroom_http_seconds",
        "From the request to the end of its answer, by method and route",
        labels=["route"],
    )


ENDPOINTS = Endpoints()
"""Of this process, as all figures are."""
REGISTRY.register(EndpointCollector(ENDPOINTS))
