"""A database that dies, or fails, at an exact commit; named by the function of the product that writes.

A fault is a file of one line, `<what> <function> <number>`, such as `within Sender._fill 1`. Functions are
named as Python does (`__qualname__`); those that call the one that writes count too. `UpdateHandler.handle#1`
means the job of row 1 alone. What happens:

    within    at the n-th write: kill -9 with the unit done and not committed
    after     at the n-th write: kill -9 with the unit committed and nobody told
    raise     at each of the first n writes: the unit raises

Several processes may share the file: writes are counted over all of them, and the one that is at the n-th
dies. It may be written anew while they run.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, TypeVar

from sqlalchemy import Connection

from wireroom.app.engine import Engine, OpenEngine, open_engine
from wireroom.clock import Clock
from wireroom.jobs.port import Job
from wireroom.settings import Settings
from wireroom.store.database import Database, Unit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong, where, and at which write; in a file, with the number still to go."""

    file: Path

    def due(self) -> str:
        """Count this write if it is one of the function's; return what goes wrong with it, "" for nothing."""
        if not self.file.stat().st_size:
            return ""
        with self.file.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            due, line = _count(file.read())
            file.seek(0)
            file.write(line)
            file.truncate()
        return due


def _count(line: str) -> tuple[str, str]:
    """Return what is due at this write, and the line for the next one."""
    if not line:
        return "", line
    what, function, left = line.split()
    if function not in _callers():
        return "", line
    number = int(left) - 1
    is_due = number >= 0 if what == "raise" else number == 0
    return what if is_due else "", f"{what} {function} {number}"


def open_faulty_engine(file: str) -> OpenEngine:
    """Return an opener of the product's own engine with the fault in this file in front of it; "" is none."""
    if not file:
        return open_engine
    fault = Fault(Path(file))

    def opener(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Engine]:
        return _opened(settings, clock, fault)

    return opener


@asynccontextmanager
async def _opened(settings: Settings, clock: Clock, fault: Fault) -> AsyncIterator[Engine]:
    async with open_engine(settings, clock) as engine:
        yield replace(engine, db=FaultyDatabase(engine.db, fault))


class FaultyDatabase:
    """The database with a fault in front of it. The job engine's own writes go past it."""

    def __init__(self, db: Database, fault: Fault) -> None:
        self._db = db
        self._fault = fault

    @property
    def dialect(self) -> str:
        """As the database behind it."""
        return self._db.dialect

    async def write(self, unit: Unit[T]) -> T:
        """Write, and die or fail if this is the write that the fault names."""
        due = self._fault.due()
        if not due:
            return await self._db.write(unit)
        if due == "raise":
            return await self._db.write(_fail)
        if due == "within":
            return await self._db.write(_and_die(unit))
        await self._db.write(unit)
        return die()

    async def read(self, unit: Unit[T]) -> T:
        """Read, always well."""
        return await self._db.read(unit)

    def on_outside_change(self, callback: Callable[[], None]) -> None:
        """As the database behind it."""
        self._db.on_outside_change(callback)

    async def close(self) -> None:
        """As the database behind it."""
        await self._db.close()


def die() -> NoReturn:
    """End this process as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL does not return")


def _and_die(unit: Unit[T]) -> Unit[T]:
    def dying(conn: Connection) -> T:
        unit(conn)
        die()

    return dying


def _fail(_conn: Connection) -> NoReturn:
    raise RuntimeError("a fault of the test")


def _callers() -> Iterator[str]:
    """Yield the functions under way, innermost first, each also with the row of its job."""
    frame = sys._getframe(3)
    while frame is not None:
        name, job = frame.f_code.co_qualname, frame.f_locals.get("job")
        yield name
        if isinstance(job, Job):
            yield f"{name}#{job.ref}"
        if frame.f_back is None:
            return
        frame = frame.f_back
