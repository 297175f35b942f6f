"""Watches the event loop: how late does a timer ring? Anything above a few ms is somebody blocking it."""

from __future__ import annotations

import asyncio

from wireroom.perf.metrics import LOOP_LAG_SECONDS

_TICK_SECONDS = 0.1
_TICKS = 10


async def watch_loop() -> None:
    """Note the worst delay of each second, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        worst = 0.0
        for _ in range(_TICKS):
            due = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            worst = max(worst, loop.time() - due)
        LOOP_LAG_SECONDS.set(worst)
