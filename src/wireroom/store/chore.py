"""What is done now and then with the database, for as long as the service runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from wireroom.errors import StoreLost, WireroomError

_log = structlog.get_logger(__name__)


async def repeat(chore: str, work: Callable[[], Awaitable[object]], every_seconds: float) -> None:
    """Do the work now and then, until cancelled; a round that fails is logged, and the next one comes.

    Args:
        chore: Its name in the log.
        work: One round.
        every_seconds: The pause between two rounds.

    Raises:
        StoreLost: no further round could store anything; only a restart helps.
    """
    while True:
        try:
            await work()
        except StoreLost:
            raise
        except (WireroomError, OSError) as error:
            _log.warning("chore_put_off", chore=chore, reason=str(error))
        except Exception:  # noqa: BLE001 - logged; what a chore meets must not stop the service
            _log.exception("chore_failed", chore=chore)
        await asyncio.sleep(every_seconds)
