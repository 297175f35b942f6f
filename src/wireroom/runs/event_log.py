"""Writes one attempt's events in small batches: the first at once, then at most every `interval`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.backends.wire import NOTICE_CHARS, notice
from wireroom.clock import Clock, came_within, to_ms
from wireroom.delivery.clean import clean_terminal_text
from wireroom.errors import LeaseLost, StoreUnavailable
from wireroom.runs.attempt import Attempt
from wireroom.runs.event_buffer import EventBuffer
from wireroom.runs.events import append_events
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.limits import MIB
from wireroom.runs.records import note_session
from wireroom.store.database import Database, after_commit

_log = structlog.get_logger(__name__)
_LINE_CHARS = 4 * NOTICE_CHARS
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
        max_bytes: int = 10 * MIB,
        interval: timedelta = timedelta(milliseconds=50),
    ) -> None:
        """Start collecting; `run` must be running as a task for anything to be written.

        Args:
            db: Where the log is.
            clock: Stamps the events.
            feed: Told of each write.
            attempt: Whose log it is.
            lane: Told of each write too.
            max_bytes: See `EventBuffer`.
            interval: Time between two writes.
        """
        self._db = db
        self._clock = clock
        self._feed = feed
        self._attempt = attempt
        self._lane = lane
        self._interval = interval.total_seconds()
        self._waiting = EventBuffer(max_bytes)
        self._news = asyncio.Event()
        self._closing = asyncio.Event()
        self._has_lease = True
        self.stop = asyncio.Event()
        """Set when the agent must be stopped: somebody wants that, or a newer attempt owns the run."""

    def add(self, event: AgentEvent) -> None:
        """Take one event; see `EventBuffer` for what is left out. What a reviewer says is no answer text."""
        if self._attempt.reviews and event.kind is EventKind.TEXT:
            event = AgentEvent(EventKind.THOUGHT, event.payload)
        self._waiting.add(event)
        self._news.set()

    def add_line(self, line: str) -> None:
        """Take a line that is no event, such as one of stderr."""
        if self._waiting.takes_notices:
            self.add(notice(clean_terminal_text(line[:_LINE_CHARS])))
        else:
            self._waiting.omit()

    async def run(self) -> None:
        """Write what waits until closed."""
        while not (self._closing.is_set() and not self._waiting):
            await self._news.wait()
            self._news.clear()
            await self._write()
            await self._pause()
        self._waiting.end()
        await self._write()

    async def _pause(self) -> None:
        """Let more events gather before the next write; being closed cuts it short."""
        await came_within(self._interval, self._closing.wait())

    def lose_lease(self) -> None:
        """Write nothing more, and have the agent stopped: a newer attempt owns the run."""
        self._has_lease = False
        self.stop.set()

    def close(self) -> None:
        """Let `run` write the rest and return."""
        self._waiting.end()
        self._closing.set()
        self._news.set()

    async def _write(self) -> None:
        while batch := self._waiting.take():
            await self._write_batch(batch)

    async def _write_batch(self, batch: Sequence[AgentEvent]) -> None:
        while self._has_lease:
            try:
                await self._db.write(lambda conn: self._store(conn, batch))
            except LeaseLost:
                self.lose_lease()
            except StoreUnavailable as error:
                _log.warning("run_events_not_stored", run_id=self._attempt.run_id, reason=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            except Exception:  # noqa: BLE001 - the task's top: what cannot be stored must not hold up the rest
                _log.exception("run_events_omitted", run_id=self._attempt.run_id, events=len(batch))
                self._waiting.omit(len(batch))
                return
            else:
                return

    def _store(self, conn: Connection, batch: Sequence[AgentEvent]) -> None:
        append_events(conn, self._attempt.run_id, self._attempt.epoch, batch, to_ms(self._clock.now()))
        for event in batch:
            if event.kind is EventKind.SESSION and not self._attempt.reviews:
                note_session(conn, self._attempt, event.payload["session_id"])
        after_commit(conn, self._publish)

    def _publish(self) -> None:
        self._feed.publish(run_topic(self._attempt.run_id))
        self._feed.publish(lane_topic(self._lane))
