"""Durable inserts: how fast many callers' rows are on the disk, beside the driver and the disk alone."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from bench.harness import Measurement, Timer, benchmark, fresh_database
from wireroom.store.database import driver
from wireroom.store.sqlite import SqliteDatabase, connect

_INSERT = """
INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at)
VALUES (1, ?, 'message', 'telegram:1:2:0', ?, 'received', 0)
"""
_PAYLOAD = "x" * 700
_SECONDS = 1.5
_REFERENCE_SECONDS = 1.0
_BATCH = 100


@benchmark("store")
async def durable_inserts() -> AsyncIterator[Measurement]:
    """Measure inserts of 700 bytes with a unique key, each awaited until durable, by 1, 50, 1,000 callers."""
    async with fresh_database() as db:
        numbers = itertools.count(1)
        fsync = _bare_fdatasync(db.path.parent)
        single = _bare_commits(db.path, numbers, rows_each=1)
        grouped = _bare_commits(db.path, numbers, rows_each=_BATCH)
        yield Measurement("fdatasync of 4 KiB, nothing else", fsync, "ms")
        for callers, name, value in (
            (1, "bare commits of one row", single),
            (50, f"bare commits of {_BATCH} rows", grouped),
            (1_000, f"bare commits of {_BATCH} rows", grouped),
        ):
            rate, latencies = await _insert(db, numbers, callers)
            yield Measurement(f"durable insert, {callers} callers", [rate], "/s", name, value)
            yield Measurement(f"durable insert, {callers} callers: wait", latencies, "ms")


async def _insert(
    db: SqliteDatabase, numbers: itertools.count[int], callers: int
) -> tuple[float, list[float]]:
    latencies: list[float] = []
    timer = Timer()

    def unit_of(number: int) -> Callable[[Connection], None]:
        def unit(conn: Connection) -> None:
            driver(conn).execute(_INSERT, (number, _PAYLOAD))

        return unit

    async def caller() -> None:
        while timer.seconds < _SECONDS:
            begun = time.perf_counter()
            await db.write(unit_of(next(numbers)))
            latencies.append((time.perf_counter() - begun) * 1_000)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return len(latencies) / timer.seconds, latencies


def _bare_fdatasync(folder: Path) -> list[float]:
    """Return the milliseconds of single synchronous writes: what the disk allows."""
    samples: list[float] = []
    descriptor = os.open(folder / "fsync", os.O_RDWR | os.O_CREAT)
    try:
        timer = Timer()
        for number in itertools.count():
            begun = time.perf_counter()
            os.pwrite(descriptor, b"x" * 4096, number % 256 * 4096)
            os.fdatasync(descriptor)
            samples.append((time.perf_counter() - begun) * 1_000)
            if timer.seconds > _REFERENCE_SECONDS / 2:
                return samples
    finally:
        os.close(descriptor)
    return samples


def _bare_commits(path: Path, numbers: itertools.count[int], *, rows_each: int) -> float:
    """Return the rows a second of the driver alone, in line, without queue, thread or event loop."""
    raw: Any = connect(path)
    timer = Timer()
    rows = 0
    while timer.seconds < _REFERENCE_SECONDS:
        raw.execute("BEGIN IMMEDIATE")
        for _ in range(rows_each):
            raw.execute(_INSERT, (next(numbers), _PAYLOAD))
        raw.execute("COMMIT")
        rows += rows_each
    rate = rows / timer.seconds
    raw.close()
    return rate
