"""A month of two hundred agents on a clock that is moved: restarts, an outage, two changes of the clock."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.pool import StaticPool

from wireroom.agents.admission import ADMIT_KIND, CALL_KIND, read_admission
from wireroom.agents.agent import find_agent_by_id
from wireroom.agents.calls import CallState, Tried
from wireroom.agents.definition import read_definition
from wireroom.agents.desk import AgentDesk
from wireroom.agents.records import DUE_KIND
from wireroom.agents.schedule import Schedule, slots_between
from wireroom.agents.scheduler import Scheduler, plan_look
from wireroom.clock import to_ms
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.store.database import driver
from wireroom.store.watched import WatchedConnection
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(110)
START = datetime(2026, 10, 5, tzinfo=UTC)
END = datetime(2026, 11, 6, tzinfo=UTC)
OUTAGE = (datetime(2026, 10, 23, 20, tzinfo=UTC), datetime(2026, 10, 26, 20, tzinfo=UTC))
"""Three days, with the hour in which Europe's clocks go back; America's do on 1 November."""
AGENTS = 200
CATCH_UPS = 3
CONCURRENCY = 4
_ZONES = ("Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata")
_POLICIES = ("skip", "once", "late:6h", "all:1", "all:5", "all:20")


def some_schedule(chance: random.Random) -> object:
    """Return a schedule; some are due often, most daily or less, many when clocks change."""
    minute = chance.randrange(60)
    if chance.random() < 0.01:
        return chance.choice(("hourly", f"*/20 {chance.randrange(16)}-23 * * *", {"every": 3_000_000}))
    return chance.choice(
        [
            f"{minute} {chance.choice((1, 2, 3))} * * *",
            f"{chance.randrange(60)} {minute} {chance.choice((1, 2, 3))} * * *",
            f"{minute} */12 */4 * *",
            f"{minute} {chance.choice((1, 2, 3))} * * MON-FRI",
            f"{minute} {chance.randrange(24)} * * SUN",
            {"every": chance.randrange(60_000_000, 300_000_000)},
            f"every {chance.randrange(20, 90)} hours",
            "daily",
        ]
    )


class Crash(Exception):
    """The process ends in the middle of a transaction."""


@dataclass
class Month:
    """Everything that runs, on one connection, driven by the clock."""

    conn: Connection
    chance: random.Random
    clock: ManualClock
    desk: AgentDesk
    scheduler: Scheduler
    ends: list[tuple[int, int, int]] = field(default_factory=list)
    """When the calls end that are being made, with call and job: in memory alone, as their sockets are."""
    begun: int = 0
    """The newest job of a call that was begun."""
    most_catch_ups: int = 0
    most_in_queue: int = 0
    crashes: int = 0

    @property
    def now_ms(self) -> int:
        """Return the time."""
        return to_ms(self.clock.now())

    def make_agents(self) -> None:
        """Make the agents, each at its own moment of the first hour."""
        for number in range(AGENTS):
            fields = {
                "name": f"agent {number}",
                "targetUrl": "http://target.example/",
                "schedule": some_schedule(self.chance),
                "timezone": self.chance.choice(_ZONES),
                "missed": self.chance.choice(_POLICIES),
                "overlap": self.chance.choice(("skip", "queue", "allow")),
                "queue": f"queue {self.chance.randrange(5)}",
            }
            definition = read_definition(fields, "UTC")
            with self.transaction():
                self.desk.agents.save(self.conn, definition, self.now_ms)
            self.clock.advance(self.chance.uniform(0, 18))

    def live_until(self, end: datetime) -> None:
        """Do what is due at each moment until then, with a restart a few times a day."""
        restart_at = self._next_restart()
        while True:
            next_job = self._next_job()
            moment = min(restart_at, next_job, self.ends[0][0] if self.ends else restart_at)
            if moment >= to_ms(end):
                return
            self.clock.advance(max(0.0, (moment - self.now_ms) / 1000))
            if moment == restart_at:
                self.restart(timedelta(seconds=self.chance.expovariate(1 / 120)))
                restart_at = self._next_restart()
                continue
            self._end_calls()
            if next_job <= self.now_ms:
                self._do_jobs()
            if self._begin_calls():
                self._look()

    def restart(self, down: timedelta) -> None:
        """Forget what is in memory, stay away, and begin again what the rows say."""
        self.ends.clear()
        self.begun = 0
        self.clock.advance(down)
        self._begin_calls()

    def rows(self, query: str, *values: object) -> list[Any]:
        """Return what a query finds."""
        return list(driver(self.conn).execute(query, values).fetchall())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is done in it, or nothing of it."""
        raw = driver(self.conn)
        raw.execute("BEGIN")
        try:
            yield
        except BaseException:
            raw.execute("ROLLBACK")
            raise
        raw.execute("COMMIT")

    def _next_restart(self) -> int:
        return self.now_ms + int(self.chance.expovariate(1 / 28_800) * 1000) + 1

    def _next_job(self) -> int:
        found = self.rows("SELECT min(run_at) FROM jobs WHERE kind <> ?", CALL_KIND)[0][0]
        return to_ms(END) if found is None else max(int(found), self.now_ms)

    def _end_calls(self) -> None:
        while self.ends and self.ends[0][0] <= self.now_ms:
            _, call_id, job_id = heapq.heappop(self.ends)
            with self.transaction():
                call = self.desk.calls.load(self.conn, call_id)
                assert call is not None
                tried = Tried(call.attempts + 1, status_code=200, duration_ms=1)
                assert self.desk.calls.end(self.conn, call, CallState.SUCCEEDED, tried, self.now_ms)
                self.rows("DELETE FROM jobs WHERE id = ?", job_id)

    def _do_jobs(self) -> None:
        query = "SELECT id, kind, ref FROM jobs WHERE run_at <= ? AND kind <> ? ORDER BY id"
        for job_id, kind, ref in self.rows(query, self.now_ms, CALL_KIND):
            with suppress(Crash), self.transaction():
                self._do(kind, ref)
                self.rows("DELETE FROM jobs WHERE id = ?", job_id)
                self._maybe_crash()

    def _maybe_crash(self) -> None:
        if self.chance.random() < 0.01:
            self.crashes += 1
            raise Crash

    def _do(self, kind: str, ref: str) -> None:
        if kind == ADMIT_KIND:
            self.desk.admission.admit(self.conn, read_admission(ref)[0], self.now_ms)
            return
        assert kind == DUE_KIND
        agent = find_agent_by_id(self.conn, int(ref.partition(".")[0]))
        assert agent is not None
        self.scheduler.decide(self.conn, agent, plan_look(agent, self.now_ms), self.now_ms)

    def _begin_calls(self) -> int:
        """Begin what was admitted; return how many calls that are."""
        query = "SELECT id, ref FROM jobs WHERE kind = ? AND id > ? ORDER BY id"
        admitted = self.rows(query, CALL_KIND, self.begun)
        for job_id, ref in admitted:
            duration_ms = int(self.chance.expovariate(1 / 40) * 1000)
            heapq.heappush(self.ends, (self.now_ms + duration_ms, int(ref), job_id))
            self.begun = job_id
        return len(admitted)

    def _look(self) -> None:
        rows = self.rows(
            "SELECT queue, sum(catch_up), count(*) FROM agent_calls WHERE state='running' GROUP BY 1"
        )
        self.most_catch_ups = max(self.most_catch_ups, sum(row[1] for row in rows))
        self.most_in_queue = max([self.most_in_queue, *(row[2] for row in rows)])


@pytest.fixture
def month(database_path: Path) -> Iterator[Month]:
    """Lend a month that begins, the same each time."""
    chance = random.Random(20261005)  # noqa: S311 - the same month each time
    clock = ManualClock(START)
    jobs = EmbeddedJobs(clock)
    desk = AgentDesk(jobs, concurrency=CONCURRENCY, catch_ups=CATCH_UPS)
    with in_memory(database_path).connect() as conn:
        scheduler = Scheduler(
            db=_Nowhere(),  # type: ignore[arg-type]  # the test writes by itself
            jobs=jobs,
            clock=clock,
            agents=desk.agents,
            calls=desk.calls,
            admission=desk.admission,
            draw=chance.random,
        )
        yield Month(conn, chance, clock, desk, scheduler)


def in_memory(path: Path) -> Engine:
    """Return an engine on a copy of the file that no disk slows down."""
    memory = pysqlite3.connect(":memory:", isolation_level=None, factory=WatchedConnection)
    with closing(pysqlite3.connect(path)) as file:
        file.backup(memory)
    return create_engine(
        "sqlite://",
        module=pysqlite3,
        creator=lambda: memory,
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )


class _Nowhere:
    """No database: whoever asks it for something has left the test."""


def test_a_month_of_agents_accounts_for_every_slot(month: Month) -> None:
    """Each slot of each agent is decided exactly once and with a reason, and catch-ups keep to their cap."""
    month.make_agents()
    month.live_until(OUTAGE[0])
    month.restart(OUTAGE[1] - OUTAGE[0])
    month.live_until(END)
    states: Counter[str] = Counter()
    caught_up = 0
    agents = month.rows("SELECT id, created_at FROM agents")
    for agent_id, created_at in agents:
        agent = find_agent_by_id(month.conn, agent_id)
        assert agent is not None
        assert agent.schedule is not None
        assert agent.next_at is not None
        rows = month.rows(_HISTORY, agent_id)
        decided = [slot for row in rows for slot in _slots_of(row, agent.schedule)]

        assert sorted(decided) == slots_between(agent.schedule, created_at, agent.next_at - 1, 100_000)
        assert agent.next_at > month.now_ms
        assert all(row[4] for row in rows)
        states.update(row[3] for row in rows)
        caught_up += sum(row[5] for row in rows)

    assert len(agents) == AGENTS
    assert month.crashes > 30
    assert 0 < month.most_catch_ups <= CATCH_UPS
    assert 0 < month.most_in_queue <= CONCURRENCY
    assert caught_up > 100
    assert states["succeeded"] > 3_000
    assert states["waiting"] + states["running"] < AGENTS
    assert set(states) <= {"succeeded", "skipped", "waiting", "running"}


_HISTORY = "SELECT slot_at, slots, slot_until, state, reason, catch_up FROM agent_calls WHERE agent_id = ?"


def _slots_of(row: Any, schedule: Schedule) -> list[int]:
    slot_at, slots, until, state, *_ = row
    if state != "skipped":
        return [slot_at]
    covered = slots_between(schedule, slot_at - 1, until, 100_000)
    assert len(covered) == slots
    return covered
