"""A database that dies, or fails, at an exact commit; named by the function of the product that writes.

A fault is one line, `<what> <function> <number>`, such as `within Sender._fill 1`. Functions are named as
Python does (`__qualname__`); those that call the one that writes count too. `UpdateHandler.handle#1` means
the job of row 1 alone. What happens:

    within    at the n-th write: kill -9 with the unit done and not committed
    after     at the n-th write: kill -9 with the unit committed and nobody told
    raise     at each of the first n writes: the unit raises
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import NoReturn, TypeVar

from sqlalchemy import Connection

from wireroom.app.engine import Engine, OpenEngine, open_engine
from wireroom.clock import Clock
from wireroom.jobs.port import Job
from wireroom.settings import Settings
from wireroom.store.database import Database, Unit

T = TypeVar("T")


@dataclass(slots=True)
class Fault:
    """What goes wrong, where, and at which write."""

    what: str
    function: str
    number: int

    def comes_now(self) -> bool:
        """Count this write if it is one of the function's; True when the fault is due."""
        if self.function not in _callers():
            return False
        self.number -= 1
        return self.number >= 0 if self.what == "raise" else self.number == 0


def open_faulty_engine(line: str) -> OpenEngine:
    """Return an opener of the product's own engine with the fault in front of it; "" is no fault."""
    if not line:
        return open_engine
    what, function, number = line.split()

    def opener(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Engine]:
        return _opened(settings, clock, Fault(what, function, int(number)))

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
        if not self._fault.comes_now():
            return await self._db.write(unit)
        if self._fault.what == "raise":
            return await self._db.write(_fail)
        if self._fault.what == "within":
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
    frame = sys._getframe(2)
    while frame is not None:
        name, job = frame.f_code.co_qualname, frame.f_locals.get("job")
        yield name
        if isinstance(job, Job):
            yield f"{name}#{job.ref}"
        if frame.f_back is None:
            return
        frame = frame.f_back
