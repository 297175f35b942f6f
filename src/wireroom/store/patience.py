"""Work that must not be lost to a database that is full, restarted or away: repeated until it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
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

    Args:
        db: Where to write.
        unit: As for `Database.write`; safe to repeat, since a refused write has stored nothing.
        what: Names the write in the log, such as `update 17`.

    Raises:
        StoreLost: no repetition would help.
    """
    return await patiently(lambda: db.write(unit), what=what)


async def read_patiently(db: Database, unit: Unit[T], *, what: str) -> T:
    """Read as often as it takes; see `patiently`."""
    return await patiently(lambda: db.read(unit), what=what)


async def patiently(step: Callable[[], Awaitable[T]], *, what: str) -> T:
    """Do the step, again for as long as the store is unavailable, and return its result.

    For handlers of jobs: they hold their key meanwhile, so that the order of a lane survives a full disk and
    a database that is restarted. A job given back to wait would let the next one of its lane overtake it.

    Args:
        step: Safe to repeat whenever the store refused something in it.
        what: Names it in the log.

    Raises:
        StoreLost: no repetition would help.
    """
    wait = _FIRST_WAIT_SECONDS
    while True:
        try:
            return await step()
        except StoreLost:
            raise
        except StoreUnavailable as error:
            _log.error("store_waited_for", what=what, reason=str(error), retry_seconds=wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT_SECONDS)
