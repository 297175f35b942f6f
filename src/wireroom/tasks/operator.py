"""The operator: looks at the board, tells tasks how their runs ended, and begins the next ones.

One look is one transaction, so a crash leaves all of it or nothing. The setting's row is read under a lock,
so that on PostgreSQL two looks cannot overlap; the fence of each claim (`claims`) holds even if they did.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import Connection, select

from wireroom.clock import Clock, from_ms, to_ms
from wireroom.jobs.port import Done, Job, Jobs, Outcome, RetryPolicy
from wireroom.store.database import Database, after_commit
from wireroom.store.patience import write_patiently
from wireroom.store.schema import system_settings
from wireroom.tasks import words
from wireroom.tasks.choice import Bounds, Choice, choose
from wireroom.tasks.claims import Claimed, Hiring
from wireroom.tasks.notices import Notices
from wireroom.tasks.rows import at_work, candidates, limits_by_label, odd_texts
from wireroom.tasks.settle import ENDED, Settled, settle_ended
from wireroom.tasks.wake import SWITCH, ask_for_turn, is_operator_on

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OperatorPolicy:
    """How the operator works through the board."""

    at_once: int = 1
    """Tasks at work at once."""
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(
            max_attempts=3, base=timedelta(seconds=30), cap=timedelta(minutes=30)
        )
    )
    """How often a task is tried, and how long after a failure."""
    stuck_after: timedelta = timedelta(hours=1)
    """After this time without a change, a task in progress that is not ours is taken up."""


class Operator:
    """The handler of jobs of kind `task-turn`."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        policy: OperatorPolicy,
        hiring: Hiring,
        notices: Notices,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Keep the neighbours; `draw` gives random numbers in [0, 1)."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._policy = policy
        self._hiring = hiring
        self._notices = notices
        self._draw = draw

    async def handle(self, job: Job) -> Outcome:
        """Look at the board once."""
        await write_patiently(self._db, partial(self._unit, job), what="the task board")
        return Done()

    def look(self, conn: Connection) -> list[Claimed]:
        """Settle what has ended, begin what may begin, and return what was begun."""
        is_on = _switch_under_lock(conn)
        now_ms = to_ms(self._clock.now())
        jitter = self._draw() * self._policy.retry.max_jitter
        for settled in settle_ended(conn, self._policy.retry, now_ms, jitter):
            self._tell_end(conn, settled, now_ms)
        if not is_on:
            return []
        choice = self._choice(conn, now_ms)
        with odd_texts(conn):
            claims = [self._hiring.claim(conn, task, now_ms) for task in choice.tasks]
        begun = [claimed for claimed in claims if claimed is not None]
        for claimed in begun:
            self._tell_begin(conn, claimed, now_ms)
        if choice.look_again_at is not None:
            ask_for_turn(conn, self._jobs, from_ms(choice.look_again_at))
        return begun

    def is_needed(self, conn: Connection) -> bool:
        """Tell, without writing, whether a look would do something; for those who only suspect it."""
        if ENDED.row(conn) is not None:
            return True
        return is_operator_on(conn) and bool(self._choice(conn, to_ms(self._clock.now())).tasks)

    def _unit(self, job: Job, conn: Connection) -> None:
        self.look(conn)
        self._jobs.finish(conn, job)

    def _choice(self, conn: Connection, now_ms: int) -> Choice:
        stuck_ms = int(self._policy.stuck_after.total_seconds() * 1000)
        bounds = Bounds(self._policy.at_once, stuck_ms, limits_by_label(conn))
        with odd_texts(conn):
            return choose(candidates(conn), bounds, at_work(conn), now_ms)

    def _tell_begin(self, conn: Connection, claimed: Claimed, now_ms: int) -> None:
        after_commit(
            conn,
            partial(
                _log.info, "task_begun", task=claimed.task_id, number=claimed.number, run_id=claimed.run_id
            ),
        )
        said = words.begun(claimed.task_id, claimed.prompt, claimed.number)
        self._notices.send(conn, self._jobs, said, now_ms)

    def _tell_end(self, conn: Connection, settled: Settled, now_ms: int) -> None:
        ending = type(settled.ending).__name__
        after_commit(
            conn,
            partial(_log.info, "task_settled", task=settled.task_id, ending=ending, stays=settled.stays),
        )
        self._notices.send(conn, self._jobs, _told(settled), now_ms)


def _told(settled: Settled) -> str:
    task_id, said, seconds, cost = settled.task_id, settled.said, settled.seconds, settled.cost_usd
    if settled.stays is None:
        return words.ended(task_id, settled.ending, said, seconds=seconds, cost_usd=cost)
    return words.left_alone(task_id, settled.state, settled.stays, said, seconds=seconds, cost_usd=cost)


def _switch_under_lock(conn: Connection) -> bool:
    """Tell whether the operator is on; until the unit ends nobody else may ask, where there are row locks."""
    conn.execute(select(system_settings.c.value).where(system_settings.c.name == SWITCH).with_for_update())
    return is_operator_on(conn)
