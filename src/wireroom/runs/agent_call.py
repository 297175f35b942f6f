"""One call of a coding agent within an attempt: its process, its log, its lease, as one structured scope."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import (
    AgentEvent,
    AgentRequest,
    AgentResult,
    AnyBackend,
    Backend,
    CalledBackend,
    Errand,
    EventKind,
    InteractiveBackend,
)
from wireroom.backends.wire import notice
from wireroom.clock import Clock, to_ms
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import AgentUnavailable, LeaseLost, StoreUnavailable
from wireroom.jobs.port import Jobs
from wireroom.runs import records
from wireroom.runs.agent_host import AbroadHost, AgentHost, Outside
from wireroom.runs.agent_ways import Served, Watch, call_elsewhere, read_stream, talk_with
from wireroom.runs.attempt import Attempt, scope_of
from wireroom.runs.budget import Prices
from wireroom.runs.event_log import EventLog
from wireroom.runs.feed import Feed
from wireroom.runs.limits import MIB, Ending, Limits
from wireroom.runs.permissions import Permissions, RunPermissions
from wireroom.runs.process_group import ProcessMark
from wireroom.runs.progress_text import ProgressText
from wireroom.runs.purse import Purse, call_budget, limits_within
from wireroom.runs.queries import cancel_wanted
from wireroom.runs.session_usage import own_share
from wireroom.runs.steering import Steering
from wireroom.runs.stopping import outlast
from wireroom.runs.supervisor import Outcome
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
    prices: Prices = field(default_factory=dict)
    """What models cost, for agents that tell only their tokens."""
    queue_wait: timedelta | None = None
    """Longest time that a run waits for its first attempt; None: as long as it takes."""
    instructions: str = ""
    """What agents of this machine are told beside the prompt."""


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

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        feed: Feed,
        policy: RunPolicy,
        spill_dir: Path,
        permissions: Permissions | None = None,
        outside: Outside | None = None,
        jobs: Jobs | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        """Keep what every call needs.

        Without `permissions` agents that ask are denied; without `outside` none can be called elsewhere;
        without `jobs` none is told what people say to it.
        """
        self._jobs = jobs
        self._db = db
        self._clock = clock
        self._feed = feed
        self._policy = policy
        self._spill_dir = spill_dir
        self._permissions = permissions
        self._outside = outside
        self._lease = lease

    async def call(
        self, attempt: Attempt, backend: AnyBackend, request: AgentRequest, lane: str, line: ProgressLine
    ) -> AttemptEnding:
        """Run the agent to its end; its events go to the attempt's log, its lease is kept meanwhile."""
        shown = ProgressText()
        steering = self._steering(attempt, lane) if request.takes_words else None
        budget = call_budget(attempt.mode, attempt.options)
        purse, limits = Purse(budget.usd), limits_within(budget, self._policy.limits)
        async with self._logging(attempt, lane) as (log, stop):

            def take(event: AgentEvent) -> None:
                log.add(event)
                if purse.take(event):
                    stop.set()
                if shown.take(event):
                    line.show(shown.text)

            if attempt.round <= 1:
                for text in attempt.notices:
                    take(notice(text))
            served, cut_off = await _to_the_end(
                self._serve(attempt, backend, request, take, limits, log=log, stop=stop, steering=steering),
                stop,
            )
            cut_off = cut_off and served.outcome.ending is Ending.CANCELLED
            result = own_share(served.result, request.session_id, request.session_usage)
            if served.result.session_usage and not cut_off:
                take(AgentEvent(EventKind.USAGE, result.usage))
        outcome = served.outcome
        _remove_spills(outcome)
        verdict = judge(outcome, result, hard=limits.hard, idle=limits.idle)
        if not cut_off:
            verdict = purse.settle(verdict, outcome.ending, result)
        return AttemptEnding(verdict, result, cut_off=cut_off, command=served.command)

    async def _serve(
        self,
        attempt: Attempt,
        backend: AnyBackend,
        request: AgentRequest,
        take: Callable[[AgentEvent], None],
        limits: Limits,
        *,
        log: EventLog,
        stop: asyncio.Event,
        steering: Steering | None = None,
    ) -> Served:
        """Have the agent serve the request, in the way that its back end does."""
        may_ask = self._permissions is not None and not request.aside
        asking = self._permissions.of(attempt, take) if self._permissions and may_ask else None
        if isinstance(backend, CalledBackend):
            abroad = await self._abroad(attempt, take, asking, stop)
            return await call_elsewhere(backend, request, abroad, limits, stop=stop)
        watch = Watch(
            limits=limits,
            stop=stop,
            spill_dir=self._spill_dir,
            scope=scope_of(attempt.run_id, attempt.epoch),
            on_started=lambda mark: self._note(attempt, mark),
            on_error_line=log.add_line,
        )
        host = AgentHost(take, asking, steering)
        if isinstance(backend, InteractiveBackend) and backend.takes_words and request.takes_words:
            return await talk_with(backend, request, host, watch)
        if isinstance(backend, Backend):
            return await read_stream(backend, request, host, watch)
        return await talk_with(backend, request, host, watch)

    def _steering(self, attempt: Attempt, lane: str) -> Steering | None:
        if self._jobs is None:
            return None
        return Steering(self._db, self._jobs, self._clock, self._feed, attempt=attempt, lane=lane)

    async def _abroad(
        self,
        attempt: Attempt,
        take: Callable[[AgentEvent], None],
        asking: RunPermissions | None,
        stop: asyncio.Event,
    ) -> AbroadHost:
        if self._outside is None:
            raise AgentUnavailable("This process cannot reach runners elsewhere.")
        noted = await write_patiently(
            self._db, lambda conn: records.note_errand(conn, attempt), what=attempt.run_id
        )
        errand = Errand(
            id=noted,
            may_be_known=noted != attempt.call_id,
            repository=attempt.options.repository,
            branch_name=attempt.options.branch_name,
        )
        return AbroadHost(
            take,
            asking,
            outside=self._outside,
            errand=errand,
            db=self._db,
            feed=self._feed,
            leave_open=lambda: self._goes_on(attempt, stop),
        )

    async def _goes_on(self, attempt: Attempt, stop: asyncio.Event) -> bool:
        """Tell whether a call that is stopped leaves its run to another attempt: no person stopped it."""
        if not (stop.is_set() and self._policy.resume_interrupted):
            return False
        try:
            return not await self._db.read(lambda conn: cancel_wanted(conn, attempt.run_id))
        except StoreUnavailable:
            return True

    @asynccontextmanager
    async def _logging(self, attempt: Attempt, lane: str) -> AsyncIterator[tuple[EventLog, asyncio.Event]]:
        """Write the log and renew the lease while the body runs; the event stops the agent."""
        log = EventLog(self._db, self._clock, self._feed, attempt, lane, max_bytes=self._policy.log_bytes)
        writing = asyncio.create_task(log.run(), name=f"log {attempt.run_id}")
        leasing = asyncio.create_task(self._keep_lease(attempt, log), name=f"lease {attempt.run_id}")
        try:
            yield log, log.stop
        finally:
            leasing.cancel()
            log.close()
            await outlast(asyncio.wait({writing, leasing}), f"end of the log {attempt.run_id}")

    async def _keep_lease(self, attempt: Attempt, log: EventLog) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            try:
                await self._db.write(lambda conn: self._renew(conn, attempt))
            except LeaseLost:
                log.lose_lease()
                return
            except StoreUnavailable as error:
                _log.warning("run_lease_not_renewed", run_id=attempt.run_id, reason=str(error))
            except Exception:  # noqa: BLE001 - the task's top: the next renewal may do
                _log.exception("run_lease_not_renewed", run_id=attempt.run_id)

    def _renew(self, conn: Connection, attempt: Attempt) -> None:
        until = to_ms(self._clock.now() + self._lease)
        records.renew_lease(conn, attempt.run_id, attempt.epoch, until)

    async def _note(self, attempt: Attempt, mark: ProcessMark) -> None:
        run_id, epoch = attempt.run_id, attempt.epoch
        await write_patiently(
            self._db, lambda conn: records.note_process(conn, run_id, epoch, mark), what=run_id
        )


async def _to_the_end(serving: Coroutine[Any, Any, Served], stop: asyncio.Event) -> tuple[Served, bool]:
    """Await the agent; when we are cancelled, stop it and still return how it ended."""
    task = asyncio.create_task(serving, name="agent call")
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
