"""Starts the product in a process of its own, for benchmarks that load it from this one.

Run as `python -m bench.service_process`; the environment is the product's own. `BENCH_RUNNER_URL` replaces
the coding agent by a POST of the request to that address, as to a remote runner that accepts at once.
`BENCH_ONE_UNIT_COMMITS` switches group commit off: each unit of work is a commit of its own.
`BENCH_WHOLE_LISTS` puts long lists together before it sends them.
`BENCH_PLANT_PERCENT` makes every acknowledgement cost so much more CPU, to see that a regression is found.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import uvloop
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Send

from wireroom.api.streaming import Lines
from wireroom.app.engine import Engine
from wireroom.app.runner import Surroundings
from wireroom.app.service import Service
from wireroom.cli.logs import set_up_logs
from wireroom.clock import to_ms
from wireroom.intake.receipts import Receipts
from wireroom.intake.webhook import Webhook
from wireroom.jobs.port import Done, Job, Outcome
from wireroom.perf.gc_tuning import spare_the_collector
from wireroom.runs import records
from wireroom.runs.agent_host import Outside
from wireroom.runs.executor import Executor
from wireroom.settings import load_settings
from wireroom.store import sqlite_writer

SECRET = "bench-webhook-secret"  # noqa: S105 - made up, and known to the load generator
_LEASE_MS = 30_000


class _Dispatcher:
    """Begins an attempt and hands the request to a runner over HTTP; the run stays open."""

    def __init__(self, engine: Engine, service: Service, url: str) -> None:
        self._engine = engine
        self._service = service
        self._url = url
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, job: Job) -> Outcome:
        """Dispatch the run that the job points at."""
        now = to_ms(self._service.clock.now())
        attempt = await self._engine.db.write(
            lambda conn: records.begin_attempt(conn, job.ref, worker="bench", now_ms=now, lease_ms=_LEASE_MS)
        )
        if attempt is None:
            return Done()
        if self._session is None:
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100))
        body = {"id": attempt.run_id, "prompt": attempt.prompt, "repository": "", "branchName": "main"}
        async with self._session.post(self._url, json=body) as answer:
            await answer.read()
        return Done()

    async def adopt_orphans(self) -> None:
        """Do nothing: every benchmark begins with an empty database."""

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


class _DispatchingService(Service):
    def _executor(self, around: Surroundings, outside: Outside) -> Executor:
        url = os.environ.get("BENCH_RUNNER_URL")
        if url is None:
            return super()._executor(around, outside)
        dispatcher = _Dispatcher(around.engine, self, url)
        self._stack.push_async_callback(dispatcher.close)
        return dispatcher  # type: ignore[return-value]  # the service only uses `handle`


def _plant(percent: float) -> None:
    """Slow the webhook down: burn `percent` of what the process has computed for each update so far."""
    receive, count, burnt = Webhook.receive, 0, 0.0
    began = time.process_time()

    async def slower(self: Webhook, request: Request) -> Response:
        nonlocal count, burnt
        count += 1
        share = (time.process_time() - began - burnt) / count * percent / 100
        until = time.thread_time() + share
        while time.thread_time() < until:
            pass
        burnt += share
        return await receive(self, request)

    Webhook.receive = slower  # type: ignore[method-assign]  # the fault that a benchmark must find


def _commit_one_by_one() -> None:
    """Give each update a unit, and each unit a commit with its own fsync: the old way, to compare with."""
    sqlite_writer._MAX_BATCH = 1  # noqa: SLF001 - a switch that only this needs
    write_all = Receipts._write_all  # noqa: SLF001 - as above

    async def one_by_one(self: Receipts) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            await self._write([one])
        await write_all(self)

    Receipts._write_all = one_by_one  # type: ignore[method-assign]  # noqa: SLF001 - as above


async def _at_once(self: Lines, send: Send) -> None:
    body = b"".join([line async for line in self._lines])
    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
    await send({"type": "http.response.body", "body": body})


async def _serve() -> None:
    if percent := os.environ.get("BENCH_PLANT_PERCENT"):
        _plant(float(percent))
    if os.environ.get("BENCH_ONE_UNIT_COMMITS"):
        _commit_one_by_one()
    if os.environ.get("BENCH_WHOLE_LISTS"):
        Lines.stream_response = _at_once  # type: ignore[method-assign]  # the old way, to compare with
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with _DispatchingService(load_settings()) as service:
        spare_the_collector()
        sys.stdout.write(service.address + "\n")
        sys.stdout.flush()
        await stop.wait()


@dataclass(frozen=True, slots=True)
class Served:
    """A process that serves HTTP on loopback."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return what its threads have computed so far, in seconds. Source: proc(5), schedstat."""
        threads = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


@asynccontextmanager
async def running_service(data_dir: Path, **environment: str) -> AsyncIterator[Served]:
    """Start the product on a free port; stop it at the end."""
    settings = {
        "WIREROOM_DATA_DIR": str(data_dir),
        "WIREROOM_BACKEND": "demo",
        "TELEGRAM_WEBHOOK_SECRET": SECRET,
        "WIREROOM_DRAIN_SECONDS": "0",
        "HOST": "127.0.0.1",
        "PORT": "0",
    }
    async with _process("bench.service_process", environment=settings | environment) as served:
        yield served


@asynccontextmanager
async def bare_service(data_dir: Path) -> AsyncIterator[Served]:
    """Start the yardstick of `bench.bare_process`."""
    async with _process("bench.bare_process", str(data_dir / "bare.sqlite3"), environment={}) as served:
        yield served


@asynccontextmanager
async def _process(module: str, *arguments: str, environment: Mapping[str, str]) -> AsyncIterator[Served]:
    """Run a module that prints its address first, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    if process.stdout is None:
        raise AssertionError("the pipe was asked for")
    try:
        address = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().strip()
        yield Served(int(address.rsplit(":", 1)[1]), process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


if __name__ == "__main__":
    set_up_logs("error", coloured=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
