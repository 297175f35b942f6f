"""`/health` (alive, no I/O), `/ready` (can do its work) and `/metrics` (Prometheus)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection, delete, insert
from starlette.requests import Request
from starlette.responses import Response

from wireroom import __version__
from wireroom.api.queue_gauges import QueueGauges
from wireroom.cache.cache import Cache
from wireroom.cache.names import DEPTHS
from wireroom.errors import StoreUnavailable
from wireroom.jobs.port import Demand, Jobs, QueueCounts
from wireroom.perf.metrics import JOBS_NOW, REGISTRY
from wireroom.store.database import Database
from wireroom.store.schema import page_sessions

_ALIVE = msgspec.json.encode({"status": "healthy", "service": "wireroom", "version": __version__})
_PROBE = "probe of /ready"
_PROBE_SECONDS = 1.0
Route = Callable[[Request], Awaitable[Response]]


async def health(request: Request) -> Response:
    """Answer that the process is alive; looks at nothing."""
    del request
    return Response(_ALIVE, media_type="application/json")


def ready_route(
    db: Database,
    worker_runs: Callable[[], bool] | None,
    problems: Callable[[], list[str]],
    helpful: Callable[[], Mapping[str, str]] = dict,
) -> Route:
    """Return the route that tells whether requests would be taken and worked on.

    200 or 503 with `{"ready": bool, "checks": {name: "ok" | what is wrong}}`. A poller without updates is
    named but does not make the service unready: everything else still works. Nor does a part that is only
    helpful, such as Redis, which `helpful` tells of as `ok` or `degraded: …`. A process that works no jobs
    has no `worker` among its checks; `worker_runs` is None there.
    """
    probe = _WriteProbe(db)

    async def ready(request: Request) -> Response:
        del request
        checks = {"database": await probe.look()}
        if worker_runs is not None:
            checks["worker"] = "ok" if worker_runs() else "the job worker is not running"
        fine = all(value == "ok" for value in checks.values())
        body = {"ready": fine, "checks": {**checks, **helpful()}, "problems": problems()}
        return Response(msgspec.json.encode(body), 200 if fine else 503, media_type="application/json")

    return ready


def metrics_route(db: Database, jobs: Jobs, cache: Cache, queues: Iterable[str] = ()) -> Route:
    """Return the route that shows the figures of `perf.metrics`; jobs are counted at most once a second.

    Args:
        db: Where the jobs are.
        jobs: Counts them.
        cache: Keeps the counts.
        queues: Those whose demand is shown even while it is 0.
    """
    depths = cache.open(DEPTHS, _Depths)
    gauges = QueueGauges(queues)

    async def count() -> _Depths:
        return await db.read(lambda conn: _Depths(dict(jobs.counts(conn)), dict(jobs.demand(conn))))

    async def metrics(request: Request) -> Response:
        del request
        try:
            found = await depths.get_or_compute("all", count)
            _note_depths(found.counts)
            gauges.show(found.demand, time.time())
        except StoreUnavailable:
            JOBS_NOW.clear()
            gauges.clear()
        # In a thread: every figure is put into words, 10 ms when all routes were called.
        shown = await asyncio.to_thread(generate_latest, REGISTRY)
        return Response(shown, media_type=CONTENT_TYPE_LATEST)

    return metrics


@dataclass(frozen=True, slots=True)
class _Depths:
    counts: dict[str, QueueCounts]
    demand: dict[str, Demand]


class _WriteProbe:
    """Tells whether the database takes writes, by one that reaches the disk; at most one a second."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._looked_at = -_PROBE_SECONDS
        self._found = "ok"

    async def look(self) -> str:
        """Return `ok`, or what the database said of the last write."""
        now = time.monotonic()
        if now - self._looked_at >= _PROBE_SECONDS:
            self._looked_at = now
            self._found = await self._write()
        return self._found

    async def _write(self) -> str:
        try:
            await self._db.write(_write_and_take_back)
        except StoreUnavailable as error:
            return str(error)
        return "ok"


def _write_and_take_back(conn: Connection) -> None:
    """Change a page and leave no row: a commit without changes writes nothing, on a full disk, too."""
    over = {"id": _PROBE, "role": "viewer", "browser": "", "created_at": 0, "seen_at": 0, "expires_at": 0}
    conn.execute(insert(page_sessions).values(digest=_PROBE, **over))
    conn.execute(delete(page_sessions).where(page_sessions.c.digest == _PROBE))


def _note_depths(counts: Mapping[str, QueueCounts]) -> None:
    JOBS_NOW.clear()
    for queue, count in counts.items():
        JOBS_NOW.labels(queue, "waiting").set(count.waiting)
        JOBS_NOW.labels(queue, "delayed").set(count.delayed)
        JOBS_NOW.labels(queue, "running").set(count.running)
        JOBS_NOW.labels(queue, "dead").set(count.dead)
