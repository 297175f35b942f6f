"""Turns slots that have come into calls: the handlers of jobs of kinds `agent-due` and `agent-admit`.

A slot becomes a call, or a noted skip, in the transaction that moves the agent past it and asks for the job
of its next slot. So each slot is decided once, whatever crashes, and however many workers there are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from wireroom.agents import statements as sql
from wireroom.agents.admission import ADMIT_KIND, Admission, read_admission
from wireroom.agents.agent import Agent, find_agent_by_id
from wireroom.agents.calls import Calls, NewCall, note_skip
from wireroom.agents.figures import SLOTS
from wireroom.agents.missed import Decision, Overlap, Run, Skip, decide, most_kept, read_policy
from wireroom.agents.records import DUE_KIND, MOST_SLOTS, Agents, due_ref
from wireroom.agents.schedule import slots_and_next
from wireroom.clock import Clock, from_ms, to_ms
from wireroom.jobs.port import Done, Handler, Job, Jobs, Outcome, RunAgainAt
from wireroom.store.chore import repeat
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

CATCH_UP_SPREAD_MS = 5_000
"""Catch-ups begin at random within this time, so that an installation which wakes up does not strike."""
_LOOK_SECONDS = 60.0
_OVERDUE_MS = 5_000
_ELSEWHERE_FROM_MS = 3_600_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be decided at one look."""

    slots: Sequence[int]
    """Ascending; all are past."""
    next_at: int | None
    """The first slot that this look leaves."""
    is_whole: bool
    """False when there are too many for one look: these are skipped, and the next look goes on."""


def plan_look(agent: Agent, now_ms: int) -> Plan:
    """Return what is to be decided for an agent whose time has come. Pure."""
    schedule, at = agent.schedule, agent.next_at
    if schedule is None or at is None:
        return Plan((), None, is_whole=True)
    slots, next_at = slots_and_next(schedule, at - 1, now_ms, MOST_SLOTS)
    if len(slots) < MOST_SLOTS:
        return Plan(slots, next_at, is_whole=True)
    kept = most_kept(read_policy(agent.missed))
    return Plan(slots[:-kept], slots[-kept], is_whole=False)


def decisions_of(plan: Plan, agent: Agent, now_ms: int, unfinished: int) -> list[Decision]:
    """Return what becomes of the plan's slots. Pure."""
    if not plan.is_whole:
        return [Skip(plan.slots[0], plan.slots[-1], len(plan.slots), "missed; newer ones count")]
    return decide(plan.slots, now_ms, read_policy(agent.missed), Overlap(agent.overlap), unfinished)


class Scheduler:
    """Decides on slots, and admits calls whose time has come."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        agents: Agents,
        calls: Calls,
        admission: Admission,
        draw: Callable[[], float],
        looks: Sequence[Callable[[Connection], object]] = (),
    ) -> None:
        """Keep the neighbours.

        Args:
            db: Where agents are.
            jobs: Told of the end together with the decisions.
            clock: Where the time comes from.
            agents: Asks for the next look.
            calls: Takes the calls.
            admission: Admits what has become due.
            draw: Gives random numbers in [0, 1) for the jitter of catch-ups.
            looks: What else is looked at every minute, for what a crash or a bug may have left.
        """
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._agents = agents
        self._calls = calls
        self._admission = admission
        self._draw = draw
        self._looks = looks

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers by kind of job."""
        return {DUE_KIND: self.handle_due, ADMIT_KIND: self.handle_admit}

    async def handle_due(self, job: Job) -> Outcome:
        """Decide on the slots of one agent that have come; see `jobs.port.Handler`."""
        agent_id, _, revision = job.ref.partition(".")
        agent = await self._db.read(lambda conn: find_agent_by_id(conn, int(agent_id)))
        if agent is None or agent.revision != int(revision) or agent.paused or agent.next_at is None:
            return Done()
        now_ms = to_ms(self._clock.now())
        if agent.next_at > now_ms:
            return RunAgainAt(from_ms(agent.next_at))
        if now_ms - agent.next_at >= _ELSEWHERE_FROM_MS:
            plan = await asyncio.to_thread(plan_look, agent, now_ms)
        else:
            plan = plan_look(agent, now_ms)

        def unit(conn: Connection) -> None:
            self.decide(conn, agent, plan, now_ms)
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"slots of agent {agent.id}")
        return Done()

    async def handle_admit(self, job: Job) -> Outcome:
        """Admit the calls of one queue that have become due; see `jobs.port.Handler`."""
        queue, due_ms = read_admission(job.ref)
        if due_ms > to_ms(self._clock.now()):
            # The engine's clock, which may be the database server's, goes before ours.
            return RunAgainAt(from_ms(due_ms))

        def unit(conn: Connection) -> None:
            self._admission.admit(conn, queue, to_ms(self._clock.now()))
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"calls of queue {queue}")
        return Done()

    def decide(self, conn: Connection, agent: Agent, plan: Plan, now_ms: int) -> None:
        """Write down what becomes of the plan's slots, and ask for the next look."""
        moved = sql.MOVE_ON.run(
            conn, id=agent.id, revision=agent.revision, decided_at=agent.next_at, next_at=plan.next_at
        )
        if not moved:
            return
        unfinished = int(sql.COUNT_OPEN.value(conn, agent_id=agent.id))
        for decision in decisions_of(plan, agent, now_ms, unfinished):
            self._write(conn, agent, decision, now_ms)
        self._agents.expect(conn, agent.id, agent.revision, plan.next_at)

    async def watch(self) -> None:
        """Look for what no job stands for any more, every minute, until cancelled."""

        async def look() -> None:
            found = await self._db.write(self.look_for_lost)
            if found:
                _log.warning("agents_without_job", agents=found)

        await repeat("agents", look, _LOOK_SECONDS)

    def look_for_lost(self, conn: Connection) -> int:
        """Give overdue schedules a job again, have queues admit; return how many schedules had none."""
        now_ms = to_ms(self._clock.now())
        lost = [
            (agent_id, revision)
            for agent_id, revision in sql.OVERDUE.rows(conn, before_ms=now_ms - _OVERDUE_MS)
            if not self._jobs.is_pending(conn, kind=DUE_KIND, ref=due_ref(agent_id, revision))
        ]
        for agent_id, revision in lost:
            self._agents.expect(conn, agent_id, revision, now_ms)
        self._admission.admit_due(conn, now_ms)
        for look in self._looks:
            look(conn)
        return len(lost)

    def _write(self, conn: Connection, agent: Agent, decision: Decision, now_ms: int) -> None:
        match decision:
            case Skip():
                SLOTS.labels("skipped").inc(decision.count)
                note_skip(
                    conn,
                    agent_id=agent.id,
                    agent_name=agent.name,
                    queue=agent.queue,
                    action=agent.action,
                    skip=decision,
                    now_ms=now_ms,
                )
            case Run():
                SLOTS.labels("caught_up" if decision.catch_up else "run").inc()
                self._calls.add(conn, self._call_for(agent, decision, now_ms), now_ms)

    def _call_for(self, agent: Agent, decision: Run, now_ms: int) -> NewCall:
        later_ms = int(self._draw() * CATCH_UP_SPREAD_MS) if decision.catch_up else 0
        return NewCall(
            agent_id=agent.id,
            agent_name=agent.name,
            queue=agent.queue,
            action=agent.action,
            request=agent.request,
            retry=agent.retry,
            due_at=now_ms + later_ms,
            reason=decision.reason,
            slot_at=decision.slot,
            catch_up=decision.catch_up,
            alone=agent.overlap == Overlap.QUEUE.value,
        )
