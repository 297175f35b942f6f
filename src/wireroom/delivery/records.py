"""Writes what became of a delivery: each unit is refused once another has taken up the job that it is for.

The sender says what happened in the chat; the statements are those of `delivery.outgoing`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.conversations.topics import TopicKey
from wireroom.delivery.high_water import HighWater
from wireroom.delivery.left_topics import leave_topic
from wireroom.delivery.outbox import DeliveryState
from wireroom.delivery.outgoing import (
    Outgoing,
    close_delivery,
    forget_message,
    mark_part,
    move_chat,
    note_failure,
)
from wireroom.delivery.plan import PartState
from wireroom.delivery.reaction import Call, Later
from wireroom.delivery.spots import is_followed
from wireroom.delivery.takeover import stay
from wireroom.jobs.port import Job, Jobs
from wireroom.perf.metrics import DELIVERIES, DELIVERY_SECONDS
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

_log = structlog.get_logger(__name__)
_claim: ContextVar[Job] = ContextVar("claim")
"""The job that the handler at work moves on: each of its writes is refused once another has taken it up."""


class Records:
    """What the sender of one bot writes."""

    def __init__(self, db: Database, jobs: Jobs, clock: Clock) -> None:
        """Keep the neighbours."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._high_water = HighWater()

    def claim(self, job: Job) -> None:
        """Write for this job from now on, in this task and those that it starts."""
        _claim.set(job)

    async def write(self, delivery_id: int | str, unit: Callable[[Connection, int], object]) -> None:
        """Write a unit, which is given the time in ms, for the job that was claimed.

        Raises:
            LeaseLost: Another has taken up the job; nothing is written.
        """
        job = _claim.get()

        def claimed(conn: Connection) -> None:
            self._jobs.check_claim(conn, job)
            unit(conn, to_ms(self._clock.now()))

        await write_patiently(self._db, claimed, what=f"delivery {delivery_id}")

    async def stays(self, out: Outgoing, seq: int) -> bool:
        """Keep a part in its placeholder if a new message would stand below a later answer.

        No other delivery of the chat is moved on meanwhile, so none can follow before that message stands.

        Returns:
            True when it stays.
        """
        if out.parts[seq].replaces is None or not await self._db.read(lambda conn: is_followed(conn, out.id)):
            return False
        await self.write(out.id, lambda conn, now: stay(conn, out.id, seq, now))
        return True

    async def sending(self, out: Outgoing, seq: int) -> None:
        """Note that a message is about to be sent for a part, and which messages were there before it."""

        def unit(conn: Connection, now_ms: int) -> None:
            after = self._high_water.before(conn, out)
            mark_part(conn, out.id, seq, PartState.SENDING, now_ms=now_ms, sent_after=after)

        await self.write(out.id, unit)

    def seen(self, out: Outgoing, message_id: int) -> None:
        """Remember a message that was sent to the delivery's chat; only in memory."""
        self._high_water.note(out.chat_id, message_id)

    async def mark(self, out: Outgoing, seq: int, state: PartState, *, message_id: int | None = None) -> None:
        """Note where a part stands, and its message once known."""
        await self.write(
            out.id, lambda conn, now: mark_part(conn, out.id, seq, state, now_ms=now, message_id=message_id)
        )

    async def message_gone(self, out: Outgoing, seq: int, error: str) -> None:
        """Note that the message of a part is not in the chat any more: it is placed again."""

        def unit(conn: Connection, now_ms: int) -> None:
            forget_message(conn, out.id, seq, now_ms)
            note_failure(conn, out.id, error)

        await self.write(out.id, unit)

    async def move(self, out: Outgoing, chat_id: int) -> None:
        """Send what is left in the chat to the supergroup `chat_id`, which the group has become."""
        await self.write(out.id, lambda conn, _: move_chat(conn, out.bot_id, out.chat_id, chat_id))

    async def leave(self, out: Outgoing, topic: TopicKey, *, is_closed: bool) -> None:
        """Send what is left of the delivery outside its topic, which is closed or gone."""

        def unit(conn: Connection, now_ms: int) -> None:
            leave_topic(conn, out.id, topic, now_ms, is_closed=is_closed, is_cut=out.is_cut)

        await self.write(out.id, unit)
        _log.info("topic_left", delivery=out.id, thread_id=topic.thread_id, closed=is_closed)

    async def delayed(self, out: Outgoing, seq: int, error: str, call: Call, reaction: Later) -> None:
        """Note a try that failed and will be repeated."""

        def unit(conn: Connection, now_ms: int) -> None:
            if call is Call.PLACE:
                state = PartState.UNCERTAIN if reaction.unsure else _before_sending(out, seq)
                mark_part(conn, out.id, seq, state, now_ms=now_ms, error=error)
            if reaction.counts:
                note_failure(conn, out.id, error)

        await self.write(out.id, unit)
        _log.warning("delivery_delayed", delivery=out.id, reason=error, retry_seconds=reaction.seconds)

    async def given_up(self, job: Job, reason: str, state: DeliveryState) -> None:
        """Close a delivery that will not be shown, or not whole; its job ends with it."""

        def unit(conn: Connection, now_ms: int) -> None:
            close_delivery(conn, int(job.ref), state, error=reason, now_ms=now_ms)
            self._jobs.finish(conn, job)

        await self.write(job.ref, unit)
        DELIVERIES.labels(state.value).inc()
        _log.error("delivery_given_up", delivery=job.ref, reason=reason)

    async def shown(self, job: Job, out: Outgoing) -> None:
        """Close a delivery that the chat shows whole; its job ends with it."""

        def unit(conn: Connection, now_ms: int) -> None:
            close_delivery(conn, out.id, DeliveryState.SENT, error=None, now_ms=now_ms)
            self._jobs.finish(conn, job)
            DELIVERY_SECONDS.observe((now_ms - out.created_at) / 1000)

        await self.write(out.id, unit)
        DELIVERIES.labels("sent").inc()


def _before_sending(out: Outgoing, seq: int) -> PartState:
    """Return what the part is when a send certainly did not happen: as unsure as it was before."""
    was = out.parts[seq].state
    return PartState.NEW if was is PartState.NEW else PartState.UNCERTAIN
