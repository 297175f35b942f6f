"""Writes that must not be lost to a full disk: repeated until the database takes them."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import structlog

from wireroom.errors import StoreLost, StoreUnavailable
from wireroom.store.database import Database, Unit

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_FIRST_WAIT_SECONDS = 0.25
_LONGEST_WAIT_SECONDS = 5.0


async def write_patiently(db: Database, unit: Unit[T], *, what: str) -> T:
    """Write the unit as often as it takes, and return its result; other errors than the store's are raised.

    For handlers of jobs: they hold their key meanwhile, so that the order of a lane survives a full disk.

    Args:
        db: Where to write.
        unit: As for `Database.write`; safe to repeat, since a refused write has stored nothing.
        what: Names the write in the log, such as `update 17`.

    Raises:
        StoreLost: no repetition would help.
    """
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            return await db.write(unit)
        except StoreLost:
            raise
        except StoreUnavailable as error:
            _log.error("not_stored_yet", what=what, reason=str(error), retry_seconds=wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
