"""Drives one attempt's agent: its process, its log, its lease, and once more if its session is lost.

Everything here is one structured scope; what the end means for the run is stored by `runs.executor`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Backend
from wireroom.clock import Clock, to_ms
from wireroom.conversations.context import bounded_context
from wireroom.delivery.clean import clean_terminal_text
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import LeaseLost, StoreUnavailable, WireroomError
from wireroom.perf.metrics import RUN_SECONDS
from wireroom.runs import records
from wireroom.runs.event_log import EventLog
from wireroom.runs.feed import Feed
from wireroom.runs.limits import MIB, Ending, Limits
from wireroom.runs.process_group import ProcessMark
from wireroom.runs.progress_text import ProgressText
from wireroom.runs.records import Attempt
from wireroom.runs.states import RunState
from wireroom.runs.supervisor import Outcome, Receivers, supervise
from wireroom.runs.verdict import Verdict, judge
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

LEASE = timedelta(seconds=30)
"""How long an attempt is its worker's without a renewal."""

_REASON_CHARS = 500
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


@dataclass(frozen=True, slots=True)
class AttemptEnding:
    """How an attempt ended, before it is stored."""

    verdict: Verdict
    result: AgentResult | None
    cut_off: bool
    """The agent was stopped because the handler was cancelled: by a person or by the service's own stop."""


class AgentDriver:
    """Runs the agent of one attempt at a time, any number side by side."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        feed: Feed,
        backend: Callable[[str], Backend],
        policy: RunPolicy,
        spill_dir: Path,
    ) -> None:
        """Keep what every attempt needs; `backend` returns the coding agent of a name or raises."""
        self._db = db
        self._clock = clock
        self._feed = feed
        self._backend = backend
        self._policy = policy
        self._spill_dir = spill_dir

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> AttemptEnding:
        """Run the agent to its end, whatever end that is; once more with context if its session is lost."""
        started = self._clock.monotonic()
        try:
            backend = self._backend(attempt.backend)
            attempt.workdir.mkdir(parents=True, exist_ok=True)
            ending = await self._run_agent(attempt, backend, lane, line, resume=backend.resumes_sessions)
            if ending.result is not None and ending.result.session_lost and not ending.cut_off:
                await write_patiently(
                    self._db, lambda conn: records.note_session(conn, attempt, None), what=attempt.run_id
                )
                ending = await self._run_agent(attempt, backend, lane, line, resume=False)
        except (LeaseLost, StoreUnavailable):
            raise
        except (WireroomError, OSError) as error:
            ending = _failed(str(error))
        except Exception as error:  # noqa: BLE001 - the attempt's top: an error of ours is no interruption
            _log.exception("run_broken", run_id=attempt.run_id)
            ending = _failed(f"Wireroom could not run the agent. {type(error).__name__}: {error}")
        RUN_SECONDS.labels(attempt.backend).observe(self._clock.monotonic() - started)
        return ending

    async def _run_agent(
        self, attempt: Attempt, backend: Backend, lane: str, line: ProgressLine, *, resume: bool
    ) -> AttemptEnding:
        request = await self._request(attempt, resume=resume)
        parser = backend.parser()
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
                    backend.command(request),
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
        return AttemptEnding(verdict, result, cut_off=cut_off and outcome.ending is Ending.CANCELLED)

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

    async def _request(self, attempt: Attempt, *, resume: bool) -> AgentRequest:
        """Return what to ask: in the agent's own session if it has one, else with what was said before."""
        session = attempt.session_id if resume else None
        context = ""
        if not session and not attempt.is_first:
            turns = await self._db.read(lambda conn: records.earlier_turns(conn, attempt))
            context = bounded_context(turns, self._policy.context_chars)
        return AgentRequest(
            prompt=attempt.prompt,
            workdir=attempt.workdir,
            session_id=session,
            context=context,
            model=self._policy.model,
            goes_on=attempt.interrupted,
        )


async def _to_the_end(process: Coroutine[Any, Any, Outcome], stop: asyncio.Event) -> tuple[Outcome, bool]:
    """Await the supervised process; when we are cancelled, stop it and still return how it ended."""
    task = asyncio.create_task(process, name="supervise")
    try:
        return await asyncio.shield(task), False
    except asyncio.CancelledError:
        stop.set()
        return await task, True


def _failed(reason: str) -> AttemptEnding:
    verdict = Verdict(RunState.FAILED, "", clean_terminal_text(reason)[:_REASON_CHARS], None)
    return AttemptEnding(verdict, None, cut_off=False)


def _remove_spills(outcome: Outcome) -> None:
    for stream in (outcome.stdout, outcome.stderr):
        if stream.spill is not None:
            with contextlib.suppress(OSError):
                stream.spill.unlink()
