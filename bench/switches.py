"""Each optimisation switched off and on in one run, by turns: what it is worth here and now.

`python -m bench run switches` prints the table of docs/performance/benchmarks.md. Promised are 40 % fewer
statements, answers in less than 100 ms on average, a quarter less memory, and half as many updates again. How
often the caches have the answer is measured by `cache-hits`.
"""

from __future__ import annotations

import asyncio
import re
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
from sqlalchemy import Connection, insert

from bench.harness import Measurement, benchmark, scaled
from bench.http_load import LoadResult, drive, get
from bench.service_process import SECRET, Served, running_service
from bench.webhook import bot_settings, running_outside, updates
from wireroom.store.migrate import ensure_schema
from wireroom.store.schema import conversations, messages, runs
from wireroom.store.sqlite import SqliteDatabase

_TURNS = 5
_CONVERSATIONS = 500
_RUNS = 20_000
_LOOKS = scaled(400)
_UPDATES = scaled(4_000)
_AUTHORIZATION = {"Authorization": f"Bearer {SECRET}"}
_LISTS = ("/api/list", "/api/chat/conversations", "/api/runs?limit=50", "/agents", "/queues", "/api/tasks")
_NOTHING_KEPT = {"WIREROOM_CACHE_MEMORY_BYTES": "0", "WIREROOM_RESPONSE_CACHE_SECONDS": "0"}
_MIB = 1024 * 1024


@benchmark("switches")
async def switches() -> AsyncIterator[Measurement]:
    """Measure with and without: caches, kept answers, streamed lists, group commit."""
    async for measurement in _caches():
        yield measurement
    yield await _memory()
    yield await _group_commit()


async def _caches() -> AsyncIterator[Measurement]:
    """Look at lists as a page that is open does: with 4 connections, again and again."""
    on: list[tuple[float, float]] = []
    off: list[tuple[float, float]] = []
    async with _filled(0) as kept, _filled(0, **_NOTHING_KEPT) as made:
        for _ in range(_TURNS):
            on.append(await _looks(kept))
            off.append(await _looks(made))
    for what, unit, index in (
        ("statements for one list, caches on", "", 0),
        ("average answer of a list, caches on", "ms", 1),
    ):
        yield _against(what, [turn[index] for turn in on], unit, "caches off", [turn[index] for turn in off])


async def _looks(served: Served) -> tuple[float, float]:
    """Return statements and milliseconds for one list."""
    before = await _statements(served)
    paths = (_LISTS[number % len(_LISTS)] for number in range(_LOOKS))
    result = _checked(await drive(served.port, (get(path, _AUTHORIZATION) for path in paths), connections=4))
    return (await _statements(served) - before) / _LOOKS, statistics.mean(result.latencies_ms)


async def _memory() -> Measurement:
    """Have eight readers read 20,000 runs, sent as they are read or put together first."""
    streamed: list[float] = []
    whole: list[float] = []
    for _ in range(3):
        streamed.append(await _growth_for_readers())
        whole.append(await _growth_for_readers(BENCH_WHOLE_LISTS="1"))
    what = "memory for 8 readers of 20,000 runs, streamed"
    return _against(what, streamed, "MiB", "put together first", whole)


async def _growth_for_readers(**settings: str) -> float:
    """Return by how many MiB a new process grows."""
    async with _filled(_RUNS, **settings) as served, _client(served) as client:
        await client.get("/api/runs?limit=1")
        before = _peak_bytes(served)
        await asyncio.gather(*(_read_all(client) for _ in range(8)))
        return (_peak_bytes(served) - before) / _MIB


async def _read_all(client: aiohttp.ClientSession) -> None:
    count = 0
    headers = {"Accept": "application/x-ndjson", "Accept-Encoding": "identity"}
    async with client.get("/api/runs", headers=headers) as answer:
        answer.raise_for_status()
        async for piece in answer.content.iter_any():
            count += piece.count(b"\n")
    if count != _RUNS:
        raise AssertionError(f"{count} lines instead of {_RUNS}")


def _client(served: Served) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(f"http://127.0.0.1:{served.port}", headers=_AUTHORIZATION)


async def _group_commit() -> Measurement:
    """Acknowledge updates at 32 connections, each with a commit of its own, and many in one."""
    on: list[float] = []
    off: list[float] = []
    with _data_folder() as folder, _data_folder() as other:
        async with (
            running_outside() as outside,
            running_service(Path(folder), **bot_settings(outside)) as together,
            running_service(Path(other), **bot_settings(outside), BENCH_ONE_UNIT_COMMITS="1") as alone,
        ):
            for turn in range(1, _TURNS + 1):
                for served, rates in ((together, on), (alone, off)):
                    requests = updates(100_000 * turn, _UPDATES)
                    rates.append(_checked(await drive(served.port, requests, connections=32)).per_second)
    return _against("acknowledged, group commit on, 32 connections", on, "/s", "a commit each", off)


def _against(what: str, on: Sequence[float], unit: str, reference: str, off: Sequence[float]) -> Measurement:
    ratios = [one / other for one, other in zip(on, off, strict=True) if other]
    return Measurement(what, on, unit, reference, statistics.median(off), ratios)


@asynccontextmanager
async def _filled(run_rows: int, **settings: str) -> AsyncIterator[Served]:
    """Run a service with five hundred conversations, and runs."""
    with _data_folder() as folder:
        path = Path(folder) / "wireroom.sqlite3"
        ensure_schema(f"sqlite:///{path}")
        database = SqliteDatabase(path)
        await database.write(lambda conn: fill(conn, run_rows))
        await database.close()
        async with running_service(Path(folder), WEBHOOK_SECRET=SECRET, **settings) as served:
            yield served


def fill(conn: Connection, run_rows: int) -> None:
    """Write five hundred conversations, and so many runs."""
    conn.execute(
        insert(conversations),
        [
            {
                "id": f"c{number}",
                "channel": "api",
                "lane": f"queue:api:{number}",
                "is_current": 1,
                "title": f"Conversation {number}",
                "workdir": "/w",
                "message_count": 1,
                "created_at": number,
                "active_at": number,
            }
            for number in range(_CONVERSATIONS)
        ],
    )
    conn.execute(
        insert(messages),
        [
            {"conversation_id": f"c{n}", "seq": 1, "role": "user", "content": "x" * 800, "created_at": n}
            for n in range(_CONVERSATIONS)
        ],
    )
    if run_rows:
        conn.execute(insert(runs), [_run(number) for number in range(run_rows)])


def _run(number: int) -> dict[str, object]:
    return {
        "id": f"r{number}",
        "request_id": f"q{number}",
        "conversation_id": f"c{number % _CONVERSATIONS}",
        "lane": f"queue:api:{number % _CONVERSATIONS}",
        "source": "api",
        "prompt": "Please mend the failing test. " * 20,
        "backend": "demo",
        "workdir": "/w",
        "state": "succeeded",
        "output": "Mended: the clock was read twice. " * 30,
        "epoch": 1,
        "queued_at": number,
        "finished_at": number,
    }


async def _statements(served: Served) -> float:
    async with _client(served) as client, client.get("/metrics") as answer:
        text = await answer.text()
    found = re.search(r"^wireroom_store_statements_sent_total (\S+)", text, re.MULTILINE)
    if found is None:
        raise AssertionError("the service counts its statements")
    return float(found[1])


def _peak_bytes(served: Served) -> int:
    """Return the most memory that the process ever had. Source: proc(5), status, VmHWM."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{served.pid}/status").read_text())
    if found is None:
        raise AssertionError("the process is there")
    return int(found[1]) * 1024


def _checked(result: LoadResult) -> LoadResult:
    if set(result.statuses) != {200}:
        raise AssertionError(f"not every request was answered: {result.statuses}")
    return result


def _data_folder() -> TemporaryDirectory[str]:
    """Return a folder on this package's disk: the system's temporary one is often memory."""
    return TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-")
