"""Figures of routes, by template."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from wireroom.perf.endpoints import NOWHERE, EndpointCollector, Endpoints, Metered


async def _answer(request: Request) -> Response:
    if request.path_params["name"] == "broken":
        raise RuntimeError("planted")
    return PlainTextResponse("fine", int(request.query_params.get("status", "200")))


def _client(endpoints: Endpoints) -> TestClient:
    app = Starlette(routes=[Route("/runs/{name}", _answer, methods=["GET"])])
    return TestClient(Metered(app, endpoints), raise_server_exceptions=False)


def test_routes_are_counted_by_template() -> None:
    """Two addresses of one route are one line; what no route took is another."""
    endpoints = Endpoints()
    client = _client(endpoints)
    for path in ("/runs/a", "/runs/b?status=404", "/nowhere/1", "/nowhere/2"):
        client.get(path)
    client.request("INVENTED", "/runs/a")

    found = {one.route: one for one in endpoints.figures()}

    assert set(found) == {"GET /runs/{name}", NOWHERE}
    assert (found["GET /runs/{name}"].calls, found["GET /runs/{name}"].errors) == (2, 0)
    assert found[NOWHERE].calls == 3


def test_failures_are_errors() -> None:
    """An answer of 500 and above, and none at all, are errors of their route."""
    endpoints = Endpoints()
    client = _client(endpoints)
    client.get("/runs/broken")
    client.get("/runs/a?status=503")

    (figures,) = endpoints.figures()
    assert (figures.calls, figures.errors) == (2, 2)


def test_figures_of_a_period_leave_out_what_was_before() -> None:
    """Only calls after the snapshot count, and a route without any is left out."""
    endpoints = Endpoints()
    endpoints.note("GET /a", 5.0, failed=True)
    endpoints.note("GET /b", 5.0)
    before = endpoints.snapshot()
    endpoints.note("GET /a", 0.001)

    (figures,) = endpoints.figures(before)

    assert (figures.route, figures.calls, figures.errors) == ("GET /a", 1, 0)
    assert figures.p99_seconds == pytest.approx(0.001, rel=0.2)
    assert figures.total_seconds == pytest.approx(0.001)


@pytest.mark.parametrize(
    ("content_type", "seconds"), [(b"text/event-stream; charset=utf-8", 1.0), (b"application/json", 3.0)]
)
async def test_event_stream_counts_until_it_has_begun(content_type: bytes, seconds: float) -> None:
    """How long somebody listens is not how long a route takes; any other answer counts to its end."""
    endpoints = Endpoints()
    time_now = 100.0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal time_now
        del scope, receive
        time_now += 1
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", content_type)]}
        )
        time_now += 2

    async def send(_: Message) -> None:
        return

    async def receive() -> Message:
        return {"type": "http.request"}

    metered = Metered(app, endpoints, now=lambda: time_now)
    await metered({"type": "http", "method": "GET", "path": "/news"}, receive, send)

    assert endpoints.figures()[0].total_seconds == seconds


def test_answer_from_a_cache_counts_for_its_route() -> None:
    """A path without parameters that was answered before its route is known by it."""
    endpoints = Endpoints()
    endpoints.note("GET /api/runs", 0.1)

    assert endpoints.name_of({"method": "GET", "path": "/api/runs"}) == "GET /api/runs"
    assert endpoints.name_of({"method": "GET", "path": "/api/runs/1"}) == NOWHERE


def test_metrics_show_routes_as_a_histogram() -> None:
    """Prometheus reads bounds, counts and the sum of each route that was called."""
    endpoints, registry = Endpoints(), CollectorRegistry()
    registry.register(EndpointCollector(endpoints))
    endpoints.note("GET /a", 0.001)

    shown = generate_latest(registry).decode()

    assert 'wireroom_http_seconds_bucket{le="0.000256",route="GET /a"} 0.0' in shown
    assert 'wireroom_http_seconds_bucket{le="+Inf",route="GET /a"} 1.0' in shown
    assert 'wireroom_http_seconds_sum{route="GET /a"} 0.001' in shown
