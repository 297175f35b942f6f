"""The task board: how fast the next task is found, and how fast a new one is begun."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from sqlalchemy import Connection, text

from bench.harness import Measurement, benchmark, fresh_database
from wireroom.app.service import Service
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Command, StreamParser
from wireroom.settings import Settings
from wireroom.tasks.choice import AtWork, Bounds, choose
from wireroom.tasks.rows import candidates
from wireroom.tasks.switch import turn_on

_TASKS = 100_000
_CHOICES = 300
_BEGUN = 60
_PROGRAM = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], timeout=10, isolation_level=None)
for _ in sys.stdin:
    other.execute("INSERT INTO tasks (prompt) VALUES ('do it')")
    print(flush=True)
"""
_FILL = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :tasks)
    INSERT INTO tasks (prompt, status, "order") SELECT 'task ' || i, (i % 2) * 3, i % 7 FROM n
"""


@benchmark("next task")
async def next_task() -> AsyncIterator[Measurement]:
    """Measure the choice among 100,000 tasks, half of them ready, beside a read of one row by its id."""
    async with fresh_database() as db:
        await db.write(lambda conn: conn.execute(text(_FILL), {"tasks": _TASKS}))
        one_row = [await db.read(_timed(_read_one)) for _ in range(_CHOICES)]
        found = [await db.read(_timed(_choose)) for _ in range(_CHOICES)]
    reference = sorted(one_row)[_CHOICES // 2]
    yield Measurement(f"next of {_TASKS:,} tasks", found, "ms", "one row by its id", reference, fsync="none")


@benchmark("task begun")
async def task_begun() -> AsyncIterator[Measurement]:
    """Measure from the insert of a task to the moment its agent is started: by our API, and by plain SQL."""
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        backend = _Noting()
        settings = Settings(data_dir=Path(folder), port=0, tasks_at_once=4)
        async with Service(settings, backend=backend) as service:
            jobs = service.services.jobs
            await service.services.db.write(lambda conn: turn_on(conn, jobs, who="bench", now_ms=1))
            headers = {"X-Webhook-Secret": service.services.api_secret}
            async with aiohttp.ClientSession(service.address, headers=headers) as http:
                by_api = await _samples(backend, lambda: _post(http))
            path = settings.data_dir / "wireroom.sqlite3"
            async with _other_program(path) as other:
                by_sql = await _samples(backend, other.insert)
    yield Measurement("task by our API to its agent's start", by_api, "ms")
    yield Measurement("task by another program to its agent's start", by_sql, "ms")


async def _samples(backend: _Noting, insert: Callable[[], Awaitable[None]]) -> list[float]:
    """Return milliseconds from before the insert to the start of its agent, at moments without a pattern."""
    found = []
    for _ in range(_BEGUN):
        await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - a moment, no secret
        backend.started = asyncio.get_running_loop().create_future()
        before = time.perf_counter()
        await insert()
        found.append((await asyncio.wait_for(backend.started, 10) - before) * 1_000)
    return found


async def _post(http: aiohttp.ClientSession) -> None:
    async with http.post("/api/tasks", json={"prompt": "do it"}) as answer:
        answer.raise_for_status()


class _OtherProgram:
    """A process that inserts a task with plain SQL whenever it reads a line, and says so."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def insert(self) -> None:
        """Have it insert one, and wait for its commit."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the process has no pipes")
        self._process.stdin.write(b"\n")
        await self._process.stdout.readline()


@asynccontextmanager
async def _other_program(path: Path) -> AsyncIterator[_OtherProgram]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _PROGRAM, path, stdin=PIPE, stdout=PIPE
    )
    try:
        yield _OtherProgram(process)
    finally:
        process.kill()
        await process.wait()


def _timed(read: Callable[[Connection], object]) -> Callable[[Connection], float]:
    def unit(conn: Connection) -> float:
        before = time.perf_counter()
        read(conn)
        return (time.perf_counter() - before) * 1_000

    return unit


def _read_one(conn: Connection) -> object:
    return conn.exec_driver_sql("SELECT * FROM tasks WHERE id = 70000").first()


def _choose(conn: Connection) -> object:
    choice = choose(candidates(conn), Bounds(1, 3_600_000), AtWork(0), 1)
    if not choice.tasks:
        raise RuntimeError("nothing was found")
    return choice


class _Noting:
    """An agent that says nothing and succeeds; it notes when it is started."""

    name = "true"
    resumes_sessions = False

    def __init__(self) -> None:
        self.started: asyncio.Future[float] | None = None

    def command(self, request: AgentRequest) -> Command:
        """Note the time and return the smallest program there is."""
        if self.started is not None and not self.started.done():
            self.started.set_result(time.perf_counter())
        return Command(("/bin/true",), request.workdir, {})

    def parser(self) -> StreamParser:
        """Return a parser of nothing."""
        return _Silent()


class _Silent:
    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Read nothing."""
        del line
        return ()

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Say nothing."""
        del stderr
        return AgentResult("", is_error=exit_code != 0)
