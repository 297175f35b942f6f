"""`GET /api/performance?window=5m|1h|24h`: one answer for a whole screen, as of the last look.

Between two looks, five seconds, the same window is the same answer with the same `ETag`. Figures are of this
process alone. Profiles: `api.performance_profiles`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from wireroom import __version__
from wireroom.api.bodies import iso, ms
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.performance_bodies import (
    BlockBody,
    CacheBody,
    CauseBody,
    GrowthBody,
    MemoryBody,
    PerformanceBody,
    PoolBody,
    ProcessBody,
    QueueBody,
    RouteBody,
    SeriesBody,
    TotalsBody,
    WindowBody,
)
from wireroom.api.profile import admins_alone
from wireroom.api.services import Services
from wireroom.api.statement_bodies import RepeatedBody, StatementBody
from wireroom.errors import NotFound
from wireroom.perf.bottlenecks import rank
from wireroom.perf.endpoints import total_of
from wireroom.perf.evidence import Evidence
from wireroom.perf.gather import Period, started_ms
from wireroom.perf.history import MOST_BYTES
from wireroom.perf.history_reading import EMPTY, Reading
from wireroom.perf.history_sampler import HistorySampler, Past, window_named
from wireroom.perf.profiles import Profiler
from wireroom.store.plans import look_up_plans

_PLANS = 5
"""Statements whose plans are looked at with one answer, at most."""
_MOST_STATEMENTS = 30
_MOST_BLOCKS = 20
_EXACTNESS = (
    "Estimates: upper bounds of buckets, for routes and statements at most 19 % too high; of waits, the "
    "bounds of /metrics."
)
WindowName = Annotated[Literal["5m", "1h", "24h"], Query(description="How far to look back.")]


def router(services: Services) -> APIRouter:
    """Return the route."""
    routes = _PerformanceRoutes(services)
    made = APIRouter(
        prefix="/api/performance",
        tags=["performance"],
        dependencies=[Depends(caller_guard(services)), Depends(admins_alone)],
        route_class=LazyRoute,
    )
    made.add_api_route(
        "",
        routes.show,
        response_class=Response,
        responses={200: {"model": PerformanceBody}},
        name="performance",
    )
    return made


@dataclass(frozen=True, slots=True)
class _Answer:
    looks: int
    body: bytes


class _PerformanceRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._answers: dict[str, _Answer] = {}
        self._explained: set[str] = set()
        """Statements whose plans were looked at; as bounded as the shapes of `perf.sql`."""
        self._one_at_a_time = asyncio.Lock()

    async def show(self, window: WindowName = "5m") -> Response:
        """Tell how the service has done over the window, and what it is like now."""
        history, profiler = self._services.history, self._services.profiler
        if history is None or profiler is None:
            raise NotFound("This process keeps no figures.")
        async with self._one_at_a_time:
            made = self._answers.get(window)
            if made is None or made.looks != history.looks:
                looks, past = history.looks, history.past(window_named(window))
                body = await asyncio.to_thread(_made, history, profiler, past)
                made = self._answers[window] = _Answer(looks, body.model_dump_json().encode())
                await self._explain([one.statement for one in body.statements])
        return Response(made.body, media_type="application/json")

    async def _explain(self, dearest: Sequence[str]) -> None:
        """Look at the plans of a few statements, each once, so that a later answer tells what they walk."""
        fresh = [shape for shape in dearest if shape not in self._explained][:_PLANS]
        self._explained.update(fresh)
        await look_up_plans(self._services.db, fresh)


def _made(history: HistorySampler, profiler: Profiler, past: Past) -> PerformanceBody:
    since, watches = history.since(past.begins), profiler.watches()
    period = Period(lambda: watches.blocks, lambda: watches.growth, since_ms=past.begins.at_ms, since=since)
    evidence = period.evidence()
    before = total_of(since.routes.values())
    last = past.last
    seconds = last.steady_seconds - past.begins.steady_seconds
    return PerformanceBody(
        as_of=iso(last.at_ms),
        window=_window(past, seconds),
        process=_process(history, profiler),
        totals=TotalsBody.of(last.answers.since(before.timings), last.errors - before.errors, seconds),
        routes=[RouteBody.of(one) for one in evidence.endpoints],
        queues=_queues(past, evidence),
        caches=[CacheBody.of(one) for one in evidence.caches],
        pools=[PoolBody.of(one) for one in evidence.pools],
        loop_lag_ms=ms(last.lag_seconds),
        loop_blocks=[BlockBody.of(one) for one in reversed(evidence.loop_blocks[-_MOST_BLOCKS:])],
        memory=_memory(last, evidence),
        statements=[StatementBody.of(one) for one in evidence.statements[:_MOST_STATEMENTS]],
        repeated=[RepeatedBody.of(one) for one in evidence.repeated],
        bottlenecks=[CauseBody.of(one) for one in rank(evidence).causes],
        series=SeriesBody.of(past.series, past.window.row_seconds),
        percentiles=_EXACTNESS,
    )


def _window(past: Past, seconds: float) -> WindowBody:
    return WindowBody(
        name=past.window.name,
        begins_at=iso(past.begins.at_ms),
        ends_at=iso(past.last.at_ms),
        seconds=round(seconds, 1),
        is_whole=seconds >= past.window.seconds - 1,
    )


def _process(history: HistorySampler, profiler: Profiler) -> ProcessBody:
    return ProcessBody(
        version=__version__,
        pid=os.getpid(),
        started_at=iso(started_ms()),
        has_py_spy=profiler.has_py_spy,
        history_bytes=history.bytes_used,
        history_most_bytes=MOST_BYTES,
    )


def _memory(last: Reading, evidence: Evidence) -> MemoryBody:
    return MemoryBody(
        resident_bytes=last.resident_bytes,
        allocated_blocks=last.allocated_blocks,
        growing=[GrowthBody.of(one) for one in evidence.growth],
    )


def _queues(past: Past, evidence: Evidence) -> list[QueueBody] | None:
    """Return the queues that have jobs, or had some in the window."""
    depths = past.last.depths
    if depths is None:
        return None
    waits = {one.queue: one for one in evidence.queues}
    names = sorted(depths.keys() | waits.keys())
    return [QueueBody.of(name, depths.get(name, EMPTY), waits.get(name)) for name in names]
