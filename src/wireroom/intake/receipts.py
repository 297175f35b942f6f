"""Stores the updates that arrive together in one unit, and tells each of those who brought them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from wireroom.clock import Clock, to_ms
from wireroom.errors import StoreUnavailable
from wireroom.intake.accept import Accepted, Receipt, accept_updates
from wireroom.jobs.give_way import GiveWay
from wireroom.jobs.port import Jobs
from wireroom.store.database import Database

_PRESSING = 6
"""Updates in one unit from which on receiving goes before handling."""


@dataclass(slots=True)
class _Waiting:
    receipt: Receipt
    answer: asyncio.Future[Accepted] = field(default_factory=asyncio.Future)


class Receipts:
    """Keeps the order in which updates came; what comes while a unit is being written shares the next one."""

    def __init__(
        self, db: Database, jobs: Jobs, clock: Clock, *, bot_id: int, gives_way: GiveWay | None = None
    ) -> None:
        """Store the updates of one bot; `gives_way` is told when so many come that they go first."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._bot_id = bot_id
        self._gives_way = gives_way
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    async def store(self, receipt: Receipt) -> Accepted:
        """Return once the update is durable. It is stored, too, when the caller leaves meanwhile.

        Raises:
            StoreUnavailable: nothing was stored; the class says why.
        """
        waiting = _Waiting(receipt)
        self._waiting.append(waiting)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="receipts")
        return await waiting.answer

    async def _write_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            if self._gives_way is not None and len(batch) >= _PRESSING:
                self._gives_way.press()
            await self._write(batch)
        self._writing = None

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        now_ms = to_ms(self._clock.now())
        receipts = [waiting.receipt for waiting in batch]
        try:
            answers = await self._db.write(
                lambda conn: accept_updates(conn, self._jobs, receipts, bot_id=self._bot_id, now_ms=now_ms)
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            await self._fail(batch, error)
            return
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(answer)

    async def _fail(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Tell everybody that the store is away; of any other error, find whose it is."""
        if len(batch) > 1 and not isinstance(error, StoreUnavailable):
            for waiting in batch:
                await self._write([waiting])
            return
        for waiting in batch:
            if not waiting.answer.done():
                waiting.answer.set_exception(error)
