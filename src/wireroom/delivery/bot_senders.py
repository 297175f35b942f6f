"""Gives each delivery to the sender of its own bot, never to another's: the handler of kind `deliver`.

A bot that hangs, floods or is paused holds up nobody else: it has its share of the slots and gives back what
is beyond. What is given back keeps its place before later messages of its chat.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.delivery.outbox import DeliveryState, addressee
from wireroom.delivery.outgoing import close_delivery
from wireroom.delivery.permits import PermitsByBot
from wireroom.errors import StoreUnavailable
from wireroom.jobs.port import Done, Handler, Job, Jobs, Outcome, RunAgainAt
from wireroom.perf.metrics import DELIVERIES
from wireroom.store.database import Database
from wireroom.store.patience import read_patiently, write_patiently

_log = structlog.get_logger(__name__)
_CROWDED_SECONDS = 1.0
_ABSENT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Hold:
    """The bot's messages wait: it is paused, or this process has yet to learn of it."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """The bot's messages are dead letters: it is not part of this installation."""

    reason: str


Absence = Hold | SetAside
"""What becomes of the messages of a bot that this process does not serve."""


def share_of(slots: int, bots: int) -> int:
    """Return how many of the slots one of several bots may take; all of them for one alone. Pure."""
    return max(1, slots // max(1, bots))


class BotSenders:
    """Senders by bot."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        permits: PermitsByBot,
        slots: int,
        senders: Callable[[], Mapping[int, Handler]],
        absence: Callable[[Connection, int], Absence],
        first: int,
    ) -> None:
        """Keep the neighbours.

        Args:
            db: Where deliveries are.
            jobs: Where their jobs end.
            clock: For the time of an end.
            permits: Keep the places of what is given back.
            slots: Deliveries at once, of all bots.
            senders: The handlers of the bots that are served now, by their ids.
            absence: Tells what becomes of the messages of any other bot.
            first: The bot of jobs that name none.
        """
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._permits = permits
        self._slots = slots
        self._senders = senders
        self._absence = absence
        self._first = first
        self._busy: Counter[int] = Counter()

    async def handle(self, job: Job) -> Outcome:
        """Move the delivery on by its own bot; see `jobs.port.Handler`."""
        bot_id, chat_id = addressee(job.key) or (self._first, 0)
        senders = self._senders()
        sender = senders.get(bot_id)
        if sender is None:
            return await self._without_bot(job, bot_id, chat_id)
        if self._busy[bot_id] >= share_of(self._slots, len(senders)):
            return await self._give_back(job, bot_id, chat_id, _CROWDED_SECONDS)
        self._busy[bot_id] += 1
        try:
            return await sender(job)
        finally:
            self._busy[bot_id] -= 1

    async def _without_bot(self, job: Job, bot_id: int, chat_id: int) -> Outcome:
        absence = await read_patiently(
            self._db, lambda conn: self._absence(conn, bot_id), what=f"bot {bot_id}"
        )
        match absence:
            case Hold():
                return await self._give_back(job, bot_id, chat_id, _ABSENT_SECONDS)
            case SetAside(reason=reason):
                return await self._set_aside(job, reason)
            case _:
                assert_never(absence)

    async def _give_back(self, job: Job, bot_id: int, chat_id: int, seconds: float) -> Outcome:
        permits = self._permits.of(bot_id)
        try:
            return RunAgainAt(await permits.stand_back(chat_id, int(job.ref), seconds))
        except StoreUnavailable:
            return RunAgainAt(permits.in_seconds(seconds))

    async def _set_aside(self, job: Job, reason: str) -> Outcome:
        def unit(conn: Connection) -> None:
            self._jobs.check_claim(conn, job)
            now_ms = to_ms(self._clock.now())
            close_delivery(conn, int(job.ref), DeliveryState.DEAD, error=reason, now_ms=now_ms)
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"delivery {job.ref}")
        DELIVERIES.labels(DeliveryState.DEAD.value).inc()
        _log.error("delivery_given_up", delivery=job.ref, reason=reason)
        return Done()
