"""The PostgreSQL job engine beside Procrastinate's own worker, on the same server in the same run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

from procrastinate import App, PsycopgConnector

from bench.harness import Measurement, Timer, benchmark
from bench.jobs import idle_starts, run_backlog
from wireroom.clock import SystemClock
from wireroom.jobs.port import QueueSpec
from wireroom.jobs.procrastinate import ProcrastinateJobs, ProcrastinateWorker
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing.postgres_server import running_postgres

_QUEUES = [QueueSpec("bench", 50)]
_JOBS = 1_500
_STOCK_JOBS = 300
_REPETITIONS = 3


@benchmark("jobs-postgres")
async def postgres_jobs() -> AsyncIterator[Measurement]:
    """Measure no-op jobs of one worker process and the start of one job when idle."""
    logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
    clock = SystemClock()
    jobs = ProcrastinateJobs(clock)
    with running_postgres() as server, server.database() as url:
        db = PostgresDatabase(url)
        ours: list[float] = []
        stock: list[float] = []
        for _ in range(_REPETITIONS):
            worker = ProcrastinateWorker(db, _QUEUES, clock)
            ours.append(await run_backlog(db, jobs, worker, _JOBS, keyed=False))
            stock.append(await _stock_backlog(url))
        yield Measurement(
            "no-op jobs, PostgreSQL, one process",
            ours,
            "/s",
            "Procrastinate's stock worker",
            sorted(stock)[len(stock) // 2],
        )
        _, from_durable = await idle_starts(db, jobs, ProcrastinateWorker(db, _QUEUES, clock))
        yield Measurement("durable answer → start, PostgreSQL, idle", from_durable, "ms")
        await db.close()


async def _stock_backlog(url: str) -> float:
    """Return the jobs a second of Procrastinate as it comes, with as many jobs at once as ours."""
    connector = PsycopgConnector(conninfo=url, min_size=4, max_size=20)
    app = App(connector=connector)
    left = _STOCK_JOBS

    @app.task(name="stock-noop", queue="stock")
    async def noop(number: int) -> None:
        nonlocal left
        del number
        left -= 1

    async with app.open_async():
        for number in range(_STOCK_JOBS):
            await noop.defer_async(number=number)
        timer = Timer()
        await asyncio.wait_for(
            app.run_worker_async(
                queues=["stock"],
                concurrency=50,
                wait=False,
                delete_jobs="always",
                install_signal_handlers=False,
            ),
            60,
        )
        seconds = timer.seconds
    if left:
        raise RuntimeError(f"{left} jobs were left over")
    return _STOCK_JOBS / seconds
