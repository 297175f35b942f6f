"""Time as a port, so that rules are tested without waiting.

Pure modules take `now` as an argument. Shells hold a `Clock` and pass its reading on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """Where a shell reads the time."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC time."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for durations and pacing."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall clock as an aware UTC time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        return time.monotonic()


async def came_within(seconds: float, awaited: Awaitable[object]) -> bool:
    """Return whether what is awaited came within the time.

    A cancellation that meets it is never lost; before Python 3.12 `asyncio.wait_for` loses such a one, and
    whoever waits in a loop goes on for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            await awaited
    except TimeoutError:
        return False
    return True


def to_ms(moment: datetime) -> int:
    """Return the moment as whole milliseconds since the epoch, as the database stores it."""
    return (moment - _EPOCH) // _MILLISECOND  # in floats, some times would lose one


def from_ms(value: int) -> datetime:
    """Return the aware UTC time of a stored `*_at` column."""
    return datetime.fromtimestamp(value / 1000, UTC)
