"""Makes values before anybody asks: at the start, and again before they end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from wireroom.store.chore import repeat

Warm = Callable[[], Awaitable[object]]
EVERY_SECONDS = 60.0
"""Often enough that what people ask for first is at hand, seldom enough to cost nothing."""


async def keep_warm(warmers: Mapping[str, Warm], every_seconds: float = EVERY_SECONDS) -> None:
    """Ask for each of these now and then, until cancelled; what fails is logged and asked for again.

    A value that is there costs a look-up. One that is near its end is made anew by being asked for.
    """

    async def round_of() -> None:
        for warm in warmers.values():
            await warm()

    await repeat("cache warming", round_of, every_seconds)


async def keep_tidy(second: Warm, minute: Warm) -> None:
    """Do the first about each second and the other about each minute, until cancelled."""
    async with asyncio.TaskGroup() as parts:
        parts.create_task(repeat("cache", second, 1.0), name="cache upkeep")
        parts.create_task(repeat("cache file", minute, EVERY_SECONDS), name="cache file upkeep")
