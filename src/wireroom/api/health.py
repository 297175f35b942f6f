"""`/health` (alive, no I/O), `/ready` (can do its work) and `/metrics` (Prometheus)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Connection, text
from starlette.requests import Request
from starlette.responses import Response

from wireroom import __version__
from wireroom.errors import StoreUnavailable
from wireroom.jobs.port import Jobs, QueueCounts
from wireroom.perf.metrics import JOBS_NOW, REGISTRY
from wireroom.store.database import Database

_ALIVE = msgspec.json.encode({"status": "healthy", "service": "wireroom", "version": __version__})
Route = Callable[[Request], Awaitable[Response]]


async def health(request: Request) -> Response:
    """Answer that the process is alive; looks at nothing."""
    del request
    return Response(_ALIVE, media_type="application/json")


def ready_route(db: Database, worker_runs: Callable[[], bool], problems: Callable[[], list[str]]) -> Route:
    """Return the route that tells whether requests would be taken and worked on.

    200 or 503 with `{"ready": bool, "checks": {name: "ok" | what is wrong}}`. A poller without updates is
    named but does not make the service unready: everything else still works.
    """

    async def ready(request: Request) -> Response:
        del request
        checks = {
            "database": await _database_check(db),
            "worker": "ok" if worker_runs() else "the job worker is not running",
        }
        fine = all(value == "ok" for value in checks.values())
        body = {"ready": fine, "checks": checks, "problems": problems()}
        return Response(msgspec.json.encode(body), 200 if fine else 503, media_type="application/json")

    return ready


def metrics_route(db: Database, jobs: Jobs) -> Route:
    """Return the route that shows the figures of `perf.metrics`."""

    async def metrics(request: Request) -> Response:
        del request
        try:
            _note_depths(await db.read(jobs.counts))
        except StoreUnavailable:
            JOBS_NOW.clear()
        return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)

    return metrics


async def _database_check(db: Database) -> str:
    """Take the write lock and give it back, changing nothing: a database that refuses writers is noticed."""
    try:
        await db.write(_touch)
    except StoreUnavailable as error:
        return str(error)
    return "ok"


def _touch(conn: Connection) -> None:
    conn.execute(text("SELECT 1"))


def _note_depths(counts: Mapping[str, QueueCounts]) -> None:
    JOBS_NOW.clear()
    for queue, count in counts.items():
        JOBS_NOW.labels(queue, "waiting").set(count.waiting)
        JOBS_NOW.labels(queue, "delayed").set(count.delayed)
        JOBS_NOW.labels(queue, "running").set(count.running)
        JOBS_NOW.labels(queue, "dead").set(count.dead)
