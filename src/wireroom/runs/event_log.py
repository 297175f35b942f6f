"""Writes one attempt's events in small batches: the first at once, then at most every `interval`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.clock import Clock, to_ms
from wireroom.errors import LeaseLost, StoreUnavailable
from wireroom.runs.events import append_events
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.records import Attempt, note_session
from wireroom.store.database import Database, after_commit

_log = structlog.get_logger(__name__)
_MAX_WAITING = 20_000
_RETRY_SECONDS = 1.0


class EventLog:
    """Collects events from the parser and keeps them, in order, while the attempt holds its lease."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        feed: Feed,
        attempt: Attempt,
        lane: str,
        *,
        interval: timedelta = timedelta(milliseconds=50),
    ) -> None:
        """Start collecting; `run` must be running as a task for anything to be written."""
        self._db = db
        self._clock = clock
        self._feed = feed
        self._attempt = attempt
        self._lane = lane
        self._interval = interval.total_seconds()
        self._waiting: list[AgentEvent] = []
        self._news = asyncio.Event()
        self._closing = asyncio.Event()
        self.lost_lease = asyncio.Event()
        """Set when a newer attempt owns the run: the process must be stopped."""

    def add(self, event: AgentEvent) -> None:
        """Take one event; beyond the bound, pieces of text are joined instead of being kept apart."""
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting = merge_texts(self._waiting)
        self._waiting.append(event)
        self._news.set()

    async def run(self) -> None:
        """Write what waits until closed."""
        while not (self._closing.is_set() and not self._waiting):
            await self._news.wait()
            self._news.clear()
            await self._write()
            await self._pause()

    async def _pause(self) -> None:
        """Let more events gather before the next write; being closed cuts it short."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._interval)

    def close(self) -> None:
        """Let `run` write the rest and return."""
        self._closing.set()
        self._news.set()

    async def _write(self) -> None:
        batch, self._waiting = merge_texts(self._waiting), []
        if not batch:
            return
        try:
            await self._db.write(lambda conn: self._store(conn, batch))
        except LeaseLost:
            self.lost_lease.set()
        except StoreUnavailable as error:
            _log.warning("run_events_not_stored", run_id=self._attempt.run_id, reason=str(error))
            self._waiting = batch + self._waiting
            self._news.set()
            await asyncio.sleep(_RETRY_SECONDS)

    def _store(self, conn: Connection, batch: Sequence[AgentEvent]) -> None:
        append_events(conn, self._attempt.run_id, self._attempt.epoch, batch, to_ms(self._clock.now()))
        for event in batch:
            if event.kind is EventKind.SESSION:
                note_session(conn, self._attempt, event.payload["session_id"])
        after_commit(conn, self._publish)

    def _publish(self) -> None:
        self._feed.publish(run_topic(self._attempt.run_id))
        self._feed.publish(lane_topic(self._lane))


def merge_texts(events: Sequence[AgentEvent]) -> list[AgentEvent]:
    """Join neighbouring pieces of answer text (and of thought) into one event each. Pure."""
    merged: list[AgentEvent] = []
    for event in events:
        last = merged[-1] if merged else None
        joins = event.kind in {EventKind.TEXT, EventKind.THOUGHT}
        if joins and last is not None and last.kind is event.kind:
            text = last.payload["text"] + event.payload["text"]
            merged[-1] = AgentEvent(event.kind, {"text": text})
        else:
            merged.append(event)
    return merged
