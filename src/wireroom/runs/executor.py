"""Runs what the jobs of kind `run` point at: begin an attempt, drive the agent, store how it ended.

One attempt is one structured scope: the process and its group (`runs.supervisor`), the writer of its log and
its lease. Whatever ends the scope, the slot is given back in one place: when `handle` returns.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Backend, EventKind
from wireroom.clock import Clock, to_ms
from wireroom.conversations.context import bounded_context
from wireroom.delivery.progress import Progress, ProgressLine
from wireroom.errors import AgentUnavailable, LeaseLost, StoreUnavailable
from wireroom.jobs.port import Done, Job, Jobs
from wireroom.jobs.port import Outcome as JobOutcome
from wireroom.perf.metrics import RUN_SECONDS, RUNS, RUNS_ACTIVE
from wireroom.runs import records
from wireroom.runs.event_log import EventLog
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.limits import Ending, Limits
from wireroom.runs.process_group import ProcessMark, kill_leftover
from wireroom.runs.progress_text import ProgressText
from wireroom.runs.queries import cancel_wanted
from wireroom.runs.records import Attempt
from wireroom.runs.states import RunState
from wireroom.runs.supervisor import Outcome, Receivers, supervise
from wireroom.runs.verdict import Verdict, judge
from wireroom.store.database import Database, Unit, after_commit
from wireroom.store.patience import write_patiently

T = TypeVar("T")
_log = structlog.get_logger(__name__)
_LEASE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class RunPolicy:
    """What the executor is told about limits and interruptions."""

    limits: Limits
    resume_interrupted: bool = True
    """Run an interrupted attempt again; False reports it."""
    max_interruptions: int = 5
    context_chars: int = 24_000
    model: str | None = None


class Executor:
    """The handler of run jobs."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        backend: Callable[[str], Backend],
        clock: Clock,
        feed: Feed,
        progress: Progress,
        policy: RunPolicy,
        worker: str,
        spill_dir: Path,
    ) -> None:
        """Keep what every attempt needs; `backend` returns the coding agent of a name or raises."""
        self._db = db
        self._jobs = jobs
        self._backend = backend
        self._clock = clock
        self._feed = feed
        self._progress = progress
        self._policy = policy
        self._worker = worker
        self._spill_dir = spill_dir

    async def handle(self, job: Job) -> JobOutcome:
        """Do the run that the job points at; see `jobs.port.Handler`."""
        try:
            return await self._handle(job)
        except asyncio.CancelledError:
            if not await self._db.read(lambda conn: cancel_wanted(conn, job.ref)):
                raise
            await self._end(job, RunState.CANCELLED, "Stopped on request.")
        except LeaseLost:
            _log.warning("run_lease_lost", run_id=job.ref)
        return Done()

    async def _handle(self, job: Job) -> JobOutcome:
        await self._kill_leftovers(job)
        if (ending := await self._settled_already(job)) is not None:
            await self._end(job, *ending)
            return Done()
        attempt = await self._begin(job)
        if attempt is None:
            return Done()
        RUNS_ACTIVE.inc()
        try:
            await self._work(job, attempt)
        finally:
            RUNS_ACTIVE.dec()
        return Done()

    async def _kill_leftovers(self, job: Job) -> None:
        """End the processes that a crash of ours left running."""
        for leftover in await self._db.read(lambda conn: records.open_attempts(conn, job.ref)):
            found = await kill_leftover(leftover.mark, self._policy.limits.grace)
            _log.info("run_interrupted", run_id=job.ref, epoch=leftover.epoch, process_found=found)

    async def _settled_already(self, job: Job) -> tuple[RunState, str] | None:
        """Return how the run must end without another attempt, None when it shall be worked on."""
        if await self._db.read(lambda conn: cancel_wanted(conn, job.ref)):
            return RunState.CANCELLED, "Stopped on request."
        cut_off = await self._db.read(lambda conn: records.interruptions(conn, job.ref))
        if not cut_off or (self._policy.resume_interrupted and cut_off <= self._policy.max_interruptions):
            return None
        times = "once" if cut_off == 1 else f"{cut_off} times"
        return RunState.INTERRUPTED, f"Wireroom went down while the agent worked ({times}). Not tried again."

    async def _end(self, job: Job, state: RunState, reason: str) -> None:
        def unit(conn: Connection, now_ms: int) -> None:
            records.end_without_agent(conn, self._jobs, job.ref, state, reason=reason, now_ms=now_ms)
            after_commit(conn, lambda: self._tell(job.ref, job.key or job.ref))

        await self._settle(job, unit)

    async def _begin(self, job: Job) -> Attempt | None:
        return await self._persist(job.ref, lambda conn: self._begin_unit(conn, job))

    def _begin_unit(self, conn: Connection, job: Job) -> Attempt | None:
        now = to_ms(self._clock.now())
        lease_ms = int(_LEASE.total_seconds() * 1000)
        attempt = records.begin_attempt(conn, job.ref, worker=self._worker, now_ms=now, lease_ms=lease_ms)
        if attempt is None:
            self._jobs.finish(conn, job)
        else:
            after_commit(conn, lambda: self._feed.publish(run_topic(job.ref)))
        return attempt

    async def _work(self, job: Job, attempt: Attempt) -> None:
        lane = job.key or attempt.run_id
        line = self._progress.open(attempt.run_id)
        try:
            ending = await self._drive(attempt, lane, line)
        finally:
            await line.close()
        if ending.cut_off and not await self._db.read(lambda conn: cancel_wanted(conn, attempt.run_id)):
            await self._leave_for_next_start(job, attempt, lane, ending)
            raise asyncio.CancelledError("the service stops")
        await self._finish(job, attempt, lane, ending)

    async def _drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> _Ending:
        """Run the agent to its end, whatever end that is; once more with context if its session is lost."""
        started = self._clock.monotonic()
        try:
            backend = self._backend(attempt.backend)
            attempt.workdir.mkdir(parents=True, exist_ok=True)
            ending = await self._run_agent(attempt, backend, lane, line, resume=backend.resumes_sessions)
            if ending.result is not None and ending.result.session_lost and not ending.cut_off:
                await self._persist(attempt.run_id, lambda conn: records.note_session(conn, attempt, None))
                ending = await self._run_agent(attempt, backend, lane, line, resume=False)
        except (AgentUnavailable, OSError) as error:
            ending = _Ending(Verdict(RunState.FAILED, "", str(error), None), None, cut_off=False)
        RUN_SECONDS.labels(attempt.backend).observe(self._clock.monotonic() - started)
        return ending

    async def _run_agent(
        self, attempt: Attempt, backend: Backend, lane: str, line: ProgressLine, *, resume: bool
    ) -> _Ending:
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
                on_error_line=lambda text: take(AgentEvent(EventKind.NOTICE, {"text": text})),
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
        return _Ending(verdict, result, cut_off=cut_off and outcome.ending is Ending.CANCELLED)

    @asynccontextmanager
    async def _logging(self, attempt: Attempt, lane: str) -> AsyncIterator[tuple[EventLog, asyncio.Event]]:
        """Write the log and renew the lease while the body runs; the event stops the agent."""
        log = EventLog(self._db, self._clock, self._feed, attempt, lane)
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
            await asyncio.sleep(_LEASE.total_seconds() / 3)
            try:
                await self._db.write(lambda conn: self._renew(conn, attempt))
            except LeaseLost:
                lost.set()
                return
            except StoreUnavailable as error:
                _log.warning("run_lease_not_renewed", run_id=attempt.run_id, reason=str(error))

    def _renew(self, conn: Connection, attempt: Attempt) -> None:
        until = to_ms(self._clock.now() + _LEASE)
        records.renew_lease(conn, attempt.run_id, attempt.epoch, until)

    async def _note(self, attempt: Attempt, mark: ProcessMark) -> None:
        run_id, epoch = attempt.run_id, attempt.epoch
        await self._persist(run_id, lambda conn: records.note_process(conn, run_id, epoch, mark))

    async def _request(self, attempt: Attempt, *, resume: bool) -> AgentRequest:
        """Return what to ask: in the agent's own session if it has one, else with what was said before."""
        session = attempt.session_id if resume else None
        context = ""
        if not session:
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

    async def _finish(self, job: Job, attempt: Attempt, lane: str, ending: _Ending) -> None:
        verdict = ending.verdict
        usage = dict(ending.result.usage) if ending.result else None

        def unit(conn: Connection, now_ms: int) -> None:
            records.finish_run(
                conn, self._jobs, attempt.run_id, attempt.epoch, verdict, usage=usage, now_ms=now_ms
            )
            if ending.result and ending.result.session_id:
                records.note_session(conn, attempt, ending.result.session_id)
            after_commit(conn, lambda: self._tell(attempt.run_id, lane))

        await self._settle(job, unit)
        RUNS.labels(attempt.backend, verdict.state.value).inc()
        _log.info("run_ended", run_id=attempt.run_id, state=verdict.state.value, exit_code=verdict.exit_code)

    async def _leave_for_next_start(self, job: Job, attempt: Attempt, lane: str, ending: _Ending) -> None:
        """Close the attempt that the service's own stop cut off; its job goes back to waiting."""
        if not self._policy.resume_interrupted:
            reason = "Wireroom was stopped while the agent worked. It was not started again."
            stopped = Verdict(RunState.INTERRUPTED, ending.verdict.output, reason, None)
            await self._finish(job, attempt, lane, _Ending(stopped, ending.result, cut_off=False))
            return
        run_id, epoch, now_ms = attempt.run_id, attempt.epoch, to_ms(self._clock.now())
        await self._persist(run_id, lambda conn: records.requeue_interrupted(conn, run_id, epoch, now_ms))

    async def _settle(self, job: Job, unit: Callable[[Connection, int], None]) -> None:
        """Commit the end of the run together with the end of its job."""

        def whole(conn: Connection) -> None:
            unit(conn, to_ms(self._clock.now()))
            self._jobs.finish(conn, job)

        await self._persist(job.ref, whole)

    async def _persist(self, run_id: str, unit: Unit[T]) -> T:
        return await write_patiently(self._db, unit, what=run_id)

    def _tell(self, run_id: str, lane: str) -> None:
        self._feed.publish(run_topic(run_id))
        self._feed.publish(lane_topic(lane))


@dataclass(frozen=True, slots=True)
class _Ending:
    """How an attempt ended, before it is stored."""

    verdict: Verdict
    result: AgentResult | None
    cut_off: bool
    """The agent was stopped because the handler was cancelled: by a person or by the service's own stop."""


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
