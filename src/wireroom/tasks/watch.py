"""Notices what other programs do to the board and to the switch, and catches what no event has told."""

from __future__ import annotations

import asyncio

import structlog

from wireroom.clock import came_within
from wireroom.errors import StoreUnavailable
from wireroom.jobs.port import Jobs
from wireroom.store.database import Database
from wireroom.tasks.operator import Operator
from wireroom.tasks.wake import ask_for_turn

_log = structlog.get_logger(__name__)
_QUIET_SECONDS = 5.0
"""Between looks that nothing asked for."""
_DEAF_SECONDS = 0.25
"""The same where the database does not tell of other programs' writes."""


class BoardWatch:
    """Asks for a turn of the operator whenever there is something for it to do."""

    def __init__(
        self, db: Database, jobs: Jobs, operator: Operator, *, poll_seconds: float | None = None
    ) -> None:
        """Watch this database; `poll_seconds` is the longest time between two looks."""
        self._db = db
        self._jobs = jobs
        self._operator = operator
        self._poll_seconds = poll_seconds or (_QUIET_SECONDS if db.dialect == "sqlite" else _DEAF_SECONDS)
        self._changed = asyncio.Event()
        db.on_outside_change(self._changed.set)

    def look(self) -> None:
        """Look now: something may have changed."""
        self._changed.set()

    async def run(self) -> None:
        """Look when told, and now and then, until cancelled."""
        while True:
            self._changed.clear()
            try:
                if await self._db.read(self._operator.is_needed):
                    await self._db.write(lambda conn: ask_for_turn(conn, self._jobs))
            except StoreUnavailable as error:
                _log.warning("board_not_watched", reason=str(error))
            except Exception:  # noqa: BLE001 - what another program's row does to us must not stop the service
                _log.exception("board_not_watched")
            await came_within(self._poll_seconds, self._changed.wait())
