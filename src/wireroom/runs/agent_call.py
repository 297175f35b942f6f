"""One call of a coding agent within an attempt: its process, its log, its lease, as one structured scope."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Backend
from wireroom.clock import Clock, to_ms
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import LeaseLost, StoreUnavailable
from wireroom.runs import records
from wireroom.runs.event_log import EventLog
from wireroom.runs.feed import Feed
from wireroom.runs.limits import MIB, Ending, Limits
from wireroom.runs.process_group import ProcessMark
from wireroom.runs.progress_text import ProgressText
from wireroom.runs.records import Attempt
from wireroom.runs.supervisor import Outcome, Receivers, supervise
from wireroom.runs.verdict import Verdict, judge
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

LEASE = timedelta(seconds=30)
"""How long an attempt is its worker's without a renewal."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """What the executor is told about limits and interruptions."""

    limits: Limits
    resume_interrupted: bool = True
    """Run an interrupted attempt again; False reports it."""
    max_interruptions: int = 5
    context_chars: int = 24_000
    log_bytes: int = 10 * MIB
    """What the events of one attempt may take in the database."""
    model: str | None = None
    queue_wait: timedelta | None = None
    """Longest time that a run waits for its first attempt; None: as long as it takes."""


@dataclass(frozen=True, slots=True)
class AttemptEnding:
    """How an attempt ended, before it is stored."""

    verdict: Verdict
    result: AgentResult | None
    cut_off: bool
    """The agent was stopped because the handler was cancelled: by a person or by the service's own stop."""
    command: tuple[str, ...] = ()
    """The command line that was run; the prompt is not in it."""


class AgentCalls:
    """Calls agents, any number side by side."""

    def __init__(self, *, db: Database, clock: Clock, feed: Feed, policy: RunPolicy, spill_dir: Path) -> None:
        """Keep what every call needs."""
        self._db = db
        self._clock = clock
        self._feed = feed
        self._policy = policy
        self._spill_dir = spill_dir

    async def call(
        self, attempt: Attempt, backend: Backend, request: AgentRequest, lane: str, line: ProgressLine
    ) -> AttemptEnding:
        """Run the agent to its end; its events go to the attempt's log, its lease is kept meanwhile."""
        command, parser = backend.command(request), backend.parser()
        shown = ProgressText()
        async with self._logging(attempt, lane) as (log, stop):

            def take(event: AgentEvent) -> None:
                log.add(event)
                if shown.take(event):
                    line.show(shown.text)

            def take_line(text: str) -> None:
                for event in parser.feed(text):
                    take(event)

            receivers = Receivers(
                on_line=take_line,
                on_error_line=log.add_line,
                on_started=lambda mark: self._note(attempt, mark),
            )
            outcome, cut_off = await _to_the_end(
                supervise(
                    command,
                    self._policy.limits,
                    receivers,
                    cancel=stop,
                    spill_dir=self._spill_dir,
                    scope=records.scope_of(attempt.run_id, attempt.epoch),
                ),
                stop,
            )
        _remove_spills(outcome)
        result = parser.result(outcome.exit_code, outcome.stderr.text)
        limits = self._policy.limits
        verdict = judge(outcome, result, hard=limits.hard, idle=limits.idle)
        was_cut_off = cut_off and outcome.ending is Ending.CANCELLED
        return AttemptEnding(verdict, result, cut_off=was_cut_off, command=command.argv)

    @asynccontextmanager
    async def _logging(self, attempt: Attempt, lane: str) -> AsyncIterator[tuple[EventLog, asyncio.Event]]:
        """Write the log and renew the lease while the body runs; the event stops the agent."""
        log = EventLog(self._db, self._clock, self._feed, attempt, lane, max_bytes=self._policy.log_bytes)
        writing = asyncio.create_task(log.run(), name=f"log {attempt.run_id}")
        leasing = asyncio.create_task(
            self._keep_lease(attempt, log.lost_lease), name=f"lease {attempt.run_id}"
        )
        try:
            yield log, log.lost_lease
        finally:
            leasing.cancel()
            log.close()
            await asyncio.gather(writing, leasing, return_exceptions=True)

    async def _keep_lease(self, attempt: Attempt, lost: asyncio.Event) -> None:
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await self._db.write(lambda conn: self._renew(conn, attempt))
            except LeaseLost:
                lost.set()
                return
            except StoreUnavailable as error:
                _log.warning("run_lease_not_renewed", run_id=attempt.run_id, reason=str(error))

    def _renew(self, conn: Connection, attempt: Attempt) -> None:
        until = to_ms(self._clock.now() + LEASE)
        records.renew_lease(conn, attempt.run_id, attempt.epoch, until)

    async def _note(self, attempt: Attempt, mark: ProcessMark) -> None:
        run_id, epoch = attempt.run_id, attempt.epoch
        await write_patiently(
            self._db, lambda conn: records.note_process(conn, run_id, epoch, mark), what=run_id
        )


async def _to_the_end(process: Coroutine[Any, Any, Outcome], stop: asyncio.Event) -> tuple[Outcome, bool]:
    """Await the supervised process; when we are cancelled, stop it and still return how it ended."""
    task = asyncio.create_task(process, name="supervise")
    try:
        return await asyncio.shield(task), False
    except asyncio.CancelledError:
        stop.set()
        return await task, True


def _remove_spills(outcome: Outcome) -> None:
    for stream in (outcome.stdout, outcome.stderr):
        if stream.spill is not None:
            with contextlib.suppress(OSError):
                stream.spill.unlink()
