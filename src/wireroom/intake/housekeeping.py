"""Turns handled updates into tombstones once their text is old."""

from __future__ import annotations

import functools
from datetime import timedelta

from wireroom.clock import Clock, to_ms
from wireroom.intake.accept import clear_payloads
from wireroom.store.chore import repeat
from wireroom.store.database import Database

_EVERY_SECONDS = 600.0
_BATCH = 1000
_MOST_BATCHES = 1000


async def keep_tombstones(db: Database, clock: Clock, age: timedelta) -> None:
    """Clear the text of updates handled longer than `age` ago, every ten minutes, until cancelled."""
    await repeat("tombstones", lambda: _clear_all(db, to_ms(clock.now() - age)), _EVERY_SECONDS)


async def _clear_all(db: Database, before_ms: int) -> None:
    clear = functools.partial(clear_payloads, before_ms=before_ms, limit=_BATCH)
    for _ in range(_MOST_BATCHES):
        if await db.write(clear) < _BATCH:
            return
