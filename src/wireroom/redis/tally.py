"""How many Redis operations one request makes: a count that follows the request through its tasks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(slots=True)
class Tally:
    """What has been counted so far."""

    operations: int = 0
    """Commands sent; each command of a pipeline is one."""
    round_trips: int = 0
    """Waits for a reply; a pipeline is one."""


_current: ContextVar[Tally | None] = ContextVar("redis_tally", default=None)


@contextmanager
def counted() -> Iterator[Tally]:
    """Count what is done inside, in tasks that are begun inside, too."""
    tally = Tally()
    token = _current.set(tally)
    try:
        yield tally
    finally:
        _current.reset(token)


def note_operations(operations: int) -> None:
    """Add to the count of the request we are in, if any: so many commands in one round trip."""
    tally = _current.get()
    if tally is not None:
        tally.operations += operations
        tally.round_trips += 1
