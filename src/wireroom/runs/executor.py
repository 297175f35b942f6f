"""Runs what the jobs of kind `run` point at: begin an attempt, drive the agent, store how it ended.

One attempt is one structured scope: the process and its group (`runs.supervisor`), the writer of its log and
its lease. Whatever ends the scope, the slot is given back in one place: when `handle` returns.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from msgspec import structs
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.delivery.progress import Progress, ProgressLine
from wireroom.errors import FileRefused, LeaseLost, NotFound, SpeechError, StoreUnavailable
from wireroom.jobs.port import Dead, Done, Job, Jobs
from wireroom.jobs.port import Outcome as JobOutcome
from wireroom.perf import traces
from wireroom.perf.metrics import RUN_SECONDS, RUNS, RUNS_ACTIVE
from wireroom.runs import endings, records, steering
from wireroom.runs.agent_call import LEASE, RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.driver import Driver
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.fetching import Hands, not_taken
from wireroom.runs.hearing import Ears, unheard
from wireroom.runs.options import RunReport
from wireroom.runs.orphans import adopt_orphans, find_orphans
from wireroom.runs.process_group import kill_leftover
from wireroom.runs.progress_text import RoundLine
from wireroom.runs.queries import cancel_wanted
from wireroom.runs.records import Standing
from wireroom.runs.settled import STOPPED, settled_already
from wireroom.runs.spoken_words import quoted
from wireroom.runs.states import RunState
from wireroom.runs.stopping import heed_cancellation, outlast
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.store.database import Database, Unit, after_commit
from wireroom.store.patience import read_patiently, write_patiently

MAX_TRIES = 3
"""Starts of a job after which one more error of ours ends its run."""

T = TypeVar("T")
_REASON_CHARS = 500
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Turn:
    """One start of a run's job."""

    job: Job
    epoch: int | None = None
    """The run's newest attempt that we know of, ours once it has begun; a newer one is not ours to end."""
    has_worked: bool = False
    """The attempt has ended: no error of ours is a reason to work again."""


class Executor:
    """The handler of run jobs."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        feed: Feed,
        progress: Progress,
        policy: RunPolicy,
        driver: Driver,
        worker: str,
        ears: Ears | None = None,
        hands: Hands | None = None,
    ) -> None:
        """Keep what every attempt needs."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._feed = feed
        self._progress = progress
        self._policy = policy
        self._driver = driver
        self._worker = worker
        self._ears = ears
        self._hands = hands

    async def adopt_orphans(self) -> None:
        """Give a job to every unfinished run that has none, before work begins."""
        orphans = await self._db.read(lambda conn: find_orphans(conn, self._jobs))
        if orphans:
            adopted = await self._db.write(lambda conn: adopt_orphans(conn, self._jobs, orphans))
            _log.warning("runs_without_job", run_ids=adopted)

    async def handle(self, job: Job) -> JobOutcome:
        """Do the run that the job points at; the last failed try ends it. See `jobs.port.Handler`."""
        turn = _Turn(job)
        try:
            return await self._handle_or_give_up(turn)
        except LeaseLost:
            _log.warning("run_lease_lost", run_id=job.ref)
            return Done()

    async def _handle_or_give_up(self, turn: _Turn) -> JobOutcome:
        try:
            return await self._handle_or_stop(turn)
        except (LeaseLost, NotFound, StoreUnavailable):
            raise
        except Exception as error:
            if turn.epoch is None or (turn.job.attempt < MAX_TRIES and not turn.has_worked):
                raise
            _log.exception("run_given_up", run_id=turn.job.ref, attempts=turn.job.attempt)
            return await self._give_up(turn, f"Wireroom could not run this. {type(error).__name__}: {error}")

    async def _handle_or_stop(self, turn: _Turn) -> JobOutcome:
        try:
            return await self._handle(turn)
        except asyncio.CancelledError:
            if not await self._db.read(lambda conn: cancel_wanted(conn, turn.job.ref)):
                raise
            await self._end(turn, STOPPED)
            return Done()

    async def _give_up(self, turn: _Turn, reason: str) -> Dead:
        """End the run as failed and say so where it was asked; the job is kept as a dead letter."""
        reason = reason[:_REASON_CHARS]
        verdict = Verdict(RunState.FAILED, "", reason, None, "internal")
        try:
            await self._persist(turn.job.ref, lambda conn: self._end_unit(conn, turn, verdict))
        except (LeaseLost, NotFound, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001 - another try would work again; a dead job's run can still be stopped
            _log.exception("run_not_ended", run_id=turn.job.ref)
        return Dead(reason)

    async def _handle(self, turn: _Turn) -> JobOutcome:
        job = turn.job
        standing = await read_patiently(
            self._db, lambda conn: records.standing_of(conn, job.ref), what=job.ref
        )
        turn.epoch = standing.epoch
        await self._kill_leftovers(job, standing)
        settled = settled_already(standing, self._policy, self._clock.now())
        if (ending := settled or await self._prepared(job, standing)) is not None:
            await self._end(turn, ending)
            return Done()
        # To its end whatever comes: a stop that did not know of the attempt could not end it.
        attempt = await outlast(self._begin(job), f"begin of {job.ref}")
        if attempt is None:
            return Done()
        turn.epoch = attempt.epoch
        heed_cancellation()
        RUNS_ACTIVE.inc()
        try:
            await self._work(turn, attempt)
        finally:
            RUNS_ACTIVE.dec()
        return Done()

    async def _kill_leftovers(self, job: Job, standing: Standing) -> None:
        """End the processes that a crash of ours left running."""
        for leftover in standing.leftovers:
            found = await kill_leftover(leftover.mark, self._policy.limits.grace)
            _log.info("run_interrupted", run_id=job.ref, epoch=leftover.epoch, process_found=found)

    async def _prepared(self, job: Job, standing: Standing) -> Verdict | None:
        """Have speech heard and files fetched before it begins; return how it ends when that cannot be."""
        if standing.has_files:
            there = FileRefused("Nobody fetches files here.")
            ending = not_taken(there) if self._hands is None else await self._hands.fetch(job.ref)
            if ending is not None:
                return ending
        if standing.unheard is None:
            return None
        if self._ears is None:
            return unheard(SpeechError("Nobody listens here."))
        return await self._ears.hear(job.ref, standing.unheard)

    async def _end(self, turn: _Turn, verdict: Verdict) -> None:
        def whole(conn: Connection) -> None:
            self._end_unit(conn, turn, verdict)
            self._jobs.finish(conn, turn.job)

        await self._persist(turn.job.ref, whole)

    def _end_unit(self, conn: Connection, turn: _Turn, verdict: Verdict) -> None:
        job, now_ms = turn.job, to_ms(self._clock.now())
        endings.end_without_agent(conn, self._jobs, job.ref, verdict, now_ms, epoch=turn.epoch)
        after_commit(conn, lambda: self._tell(job.ref, job.key or job.ref))

    async def _begin(self, job: Job) -> Attempt | None:
        return await self._persist(job.ref, lambda conn: self._begin_unit(conn, job))

    def _begin_unit(self, conn: Connection, job: Job) -> Attempt | None:
        self._jobs.check_claim(conn, job)
        now = to_ms(self._clock.now())
        lease_ms = int(LEASE.total_seconds() * 1000)
        attempt = records.begin_attempt(conn, job.ref, worker=self._worker, now_ms=now, lease_ms=lease_ms)
        if attempt is None:
            self._jobs.finish(conn, job)
            return None
        for message in attempt.taken:
            steering.close_taken(conn, self._jobs, message, now)
        after_commit(conn, lambda: self._feed.publish(run_topic(job.ref)))
        return attempt

    async def _work(self, turn: _Turn, attempt: Attempt) -> None:
        job = turn.job
        lane = job.key or attempt.run_id
        line = self._progress.open(attempt.run_id)
        started = self._clock.monotonic()
        try:
            with traces.span("agent", _about(attempt), step=traces.attempt_step(attempt.epoch)):
                ending = await self._driver.drive(attempt, lane, _shown(attempt, line))
            turn.has_worked = not ending.cut_off
        finally:
            await outlast(line.close(), f"end of the progress {attempt.run_id}")
        RUN_SECONDS.labels(attempt.backend).observe(self._clock.monotonic() - started)
        if ending.cut_off and not await self._db.read(lambda conn: cancel_wanted(conn, attempt.run_id)):
            await self._leave_for_next_start(job, attempt, lane, ending)
            raise asyncio.CancelledError("the service stops")
        await outlast(self._finish(job, attempt, lane, ending), f"end of {job.ref}")

    async def _finish(self, job: Job, attempt: Attempt, lane: str, ending: RunEnding) -> None:
        """Store how the run ended; what cannot be stored is left out rather than worked for again."""
        try:
            await self._store_end(job, attempt, lane, ending)
        except (LeaseLost, NotFound, StoreUnavailable):
            raise
        except Exception:  # noqa: BLE001 - after the agent: whatever it is, the work must not be done again
            _log.exception("run_end_not_stored", run_id=attempt.run_id)
            files, left_out = ending.report.files, ending.report.not_sent
            report = RunReport(error_code=ending.verdict.error_code, files=files, not_sent=left_out)
            await self._store_end(job, attempt, lane, RunEnding(ending.verdict, report))

    async def _store_end(self, job: Job, attempt: Attempt, lane: str, ending: RunEnding) -> None:
        verdict = ending.verdict

        def unit(conn: Connection) -> None:
            endings.finish_run(
                conn,
                self._jobs,
                attempt.run_id,
                attempt.epoch,
                verdict,
                usage=dict(ending.usage),
                now_ms=to_ms(self._clock.now()),
                report=ending.report,
            )
            if ending.session_id:
                placed = replace(attempt, workdir=ending.workdir or attempt.workdir)
                records.note_session(conn, placed, ending.session_id, ending.session_usage)
            after_commit(conn, lambda: self._tell(attempt.run_id, lane))
            self._jobs.finish(conn, job)

        await self._persist(job.ref, unit)
        RUNS.labels(attempt.backend, verdict.state.value).inc()
        _log.info("run_ended", run_id=attempt.run_id, state=verdict.state.value, exit_code=verdict.exit_code)

    async def _leave_for_next_start(self, job: Job, attempt: Attempt, lane: str, ending: RunEnding) -> None:
        """Close the attempt that the service's own stop cut off; its job goes back to waiting."""
        if not self._policy.resume_interrupted:
            reason = "Wireroom was stopped while the agent worked. It was not started again."
            stopped = Verdict(RunState.INTERRUPTED, ending.verdict.output, reason, None, "interrupted")
            report = structs.replace(ending.report, error_code=stopped.error_code)
            await self._finish(job, attempt, lane, replace(ending, verdict=stopped, report=report))
            return
        run_id, epoch, now_ms = attempt.run_id, attempt.epoch, to_ms(self._clock.now())
        await self._persist(run_id, lambda conn: endings.requeue_interrupted(conn, run_id, epoch, now_ms))

    async def _persist(self, run_id: str, unit: Unit[T]) -> T:
        return await write_patiently(self._db, unit, what=run_id)

    def _tell(self, run_id: str, lane: str) -> None:
        self._feed.publish(run_topic(run_id))
        self._feed.publish(lane_topic(lane))


def _shown(attempt: Attempt, line: ProgressLine) -> ProgressLine:
    """Return the line, of a spoken request below what was understood, so that mistakes are seen at once."""
    if attempt.options.recording is None:
        return line
    under = RoundLine(line, quoted(attempt.prompt))
    under.show("⏳ Working …")
    return under


def _about(attempt: Attempt) -> traces.Attributes:
    return {
        "wireroom.run_id": attempt.run_id,
        "wireroom.attempt": attempt.epoch,
        "wireroom.backend": attempt.backend,
    }
