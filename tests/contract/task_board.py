"""A board with an operator and no worker: tests say how each run ends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, select, text

from contract.job_engines import Engine
from wireroom.clock import to_ms
from wireroom.runs.endings import finish_run
from wireroom.runs.feed import Feed
from wireroom.runs.records import begin_attempt
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.schema import runs
from wireroom.tasks import board
from wireroom.tasks.claims import Claimed, Hiring
from wireroom.tasks.notices import Notices
from wireroom.tasks.operator import Operator, OperatorPolicy
from wireroom.tasks.requests import read_fields
from wireroom.tasks.rows import AttemptView, TaskView, attempts_of, find_task
from wireroom.tasks.switch import turn_on
from wireroom.testing.clock import ManualClock


@dataclass
class Board:
    """The board of one database, its operator, and the hand that ends runs."""

    engine: Engine
    clock: ManualClock = field(default_factory=ManualClock)
    policy: OperatorPolicy = field(default_factory=OperatorPolicy)
    notices: Notices = field(default_factory=Notices)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def now_ms(self) -> int:
        """The clock's time."""
        return to_ms(self.clock.now())

    @property
    def operator(self) -> Operator:
        """An operator as a start of the service makes it: it remembers nothing."""
        hiring = Hiring(
            jobs=self.engine.jobs,
            feed=Feed(),
            backend="demo",
            repositories=Path("/repositories"),
            workdir=lambda name: f"/scratch/{name}",
            new_id=lambda prefix: f"{prefix}-{next(self.numbers)}",
        )
        return Operator(
            db=self.engine.db,
            jobs=self.engine.jobs,
            clock=self.clock,
            policy=self.policy,
            hiring=hiring,
            notices=self.notices,
            draw=lambda: 0.0,
        )

    async def on(self) -> None:
        """Turn the operator on."""
        await self.engine.db.write(
            lambda conn: turn_on(conn, self.engine.jobs, who="test", now_ms=self.now_ms)
        )

    async def add(self, prompt: str = "do it", **fields: Any) -> int:
        """Add a task and return its id."""
        said = read_fields({"prompt": prompt, **fields}, new=True)
        task = await self.engine.db.write(
            lambda conn: board.add_task(conn, self.engine.jobs, said, self.now_ms)
        )
        return task.id

    async def edit(self, task_id: int, **fields: Any) -> TaskView:
        """Change a task."""
        said = read_fields(fields, new=False)
        return await self.engine.db.write(
            lambda conn: board.edit_task(conn, self.engine.jobs, task_id, said, self.now_ms)
        )

    async def look(self) -> list[Claimed]:
        """Have a fresh operator look at the board once; return what it began."""
        return await self.engine.db.write(self.operator.look)

    async def begun(self) -> list[int]:
        """Have a fresh operator look at the board once; return the tasks that it began."""
        return [claimed.task_id for claimed in await self.look()]

    async def end(self, run_id: str, state: RunState = RunState.SUCCEEDED, said: str = "done") -> None:
        """Have an agent work on the run and end like this."""
        await self.engine.db.write(lambda conn: self._end(conn, run_id, state, said))

    def _end(self, conn: Connection, run_id: str, state: RunState, said: str) -> None:
        attempt = begin_attempt(conn, run_id, worker="w", now_ms=self.now_ms, lease_ms=1_000)
        assert attempt is not None
        self.clock.advance(2)
        verdict = Verdict(state, said, None if state is RunState.SUCCEEDED else f"because {said}", 0)
        finish_run(
            conn,
            self.engine.jobs,
            run_id,
            attempt.epoch,
            verdict,
            usage={"cost_usd": 0.25},
            now_ms=self.now_ms,
        )

    async def delete(self, task_id: int) -> None:
        """Delete a task."""
        await self.engine.db.write(
            lambda conn: board.delete_task(conn, self.engine.jobs, task_id, self.now_ms)
        )

    async def rows(self, table: Table) -> list[Any]:
        """Return all rows of a table."""
        return await self.engine.db.read(lambda conn: list(conn.execute(select(table))))

    async def task(self, task_id: int) -> TaskView:
        """Return the task."""
        found = await self.engine.db.read(lambda conn: find_task(conn, task_id))
        assert found is not None
        return found

    async def attempts(self, task_id: int) -> Sequence[AttemptView]:
        """Return the task's attempts, newest first."""
        return await self.engine.db.read(lambda conn: attempts_of(conn, task_id))

    async def runs(self) -> list[tuple[str, str]]:
        """Return request id and state of every run, in the order of their request."""
        query = select(runs.c.request_id, runs.c.state).order_by(runs.c.queued_at, runs.c.id)

        def unit(conn: Connection) -> list[tuple[str, str]]:
            return [(row[0], row[1]) for row in conn.execute(query)]

        return await self.engine.db.read(unit)

    async def sql(self, statement: str, **values: Any) -> None:
        """Do what another program might."""
        await self.engine.db.write(lambda conn: conn.execute(text(statement), values))
