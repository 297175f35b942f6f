"""Two workers on one PostgreSQL database and a board of tasks that wait for each other, while workers die.

`WIREROOM_TEST_TASKS` sets how many tasks; the default fits into a run of all tests.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from wireroom.store.migrate import with_driver
from wireroom.testing import ScriptedAgent
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(400)]
_TASKS = int(os.environ.get("WIREROOM_TEST_TASKS", "40"))
_SECONDS = 60 + _TASKS / 4
_PROGRAM = Path(__file__).with_name("task_worker.py")
_STALLED_SECONDS = 8.0
"""Longer than a silent worker keeps its jobs."""


@dataclass
class _Site:
    """The database, the agent's folder, and the workers."""

    url: str
    folder: Path
    workers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def engine(self) -> Engine:
        """A way to the database that is not the product's."""
        return create_engine(with_driver(self.url), poolclass=NullPool)

    def rows(self, query: str) -> list[Any]:
        """Read."""
        with self.engine.connect() as conn:
            return list(conn.execute(text(query)))

    def write(self, statement: str, values: list[dict[str, Any]]) -> None:
        """Write what another program might."""
        with self.engine.begin() as conn:
            conn.execute(text(statement), values)

    def start(self, number: int) -> None:
        """Start a worker, again under its number."""
        data_dir = self.folder / f"worker-{number}"
        ready = self.folder / f"ready-{number}"
        ready.unlink(missing_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PORT": "0",
            "WIREROOM_DATA_DIR": str(data_dir),
            "WIREROOM_DATABASE_URL": self.url,
            "WIREROOM_TASKS_AT_ONCE": "6",
            "WIREROOM_TASK_ATTEMPTS": "50",
            "WIREROOM_TASK_BACKOFF_SECONDS": "0.2",
            "CURSOR_CLI_MAX_CONCURRENT": "4",
        }
        log = (self.folder / f"worker-{number}.log").open("ab")
        arguments = (sys.executable, str(_PROGRAM), str(self.folder / "agent"), str(ready))
        self.workers[number] = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
        log.close()

    async def ready(self, number: int) -> None:
        """Wait until a worker works."""
        await eventually((self.folder / f"ready-{number}").exists, f"worker {number} is ready", 40)

    def count(self, status: int) -> int:
        """Return how many tasks have this status."""
        return int(self.rows(f"SELECT count(*) FROM tasks WHERE status = {status}")[0][0])


@pytest.fixture
def site(postgres: PostgresServer, tmp_path: Path) -> Iterator[_Site]:
    """Lend a site without workers; those that it gets are ended."""
    with postgres.database() as url:
        (tmp_path / "agent").mkdir()
        lent = _Site(url, tmp_path)
        yield lent
        for worker in lent.workers.values():
            worker.send_signal(signal.SIGCONT)
            worker.kill()
            worker.wait(10)


def _fill(site: _Site, tasks: int, draw: random.Random) -> None:
    """Put tasks on the board, each of which waits for up to two earlier ones."""
    site.write(
        "INSERT INTO tasks (prompt) VALUES (:prompt)",
        [{"prompt": f"sleep 0.01; say task {number}"} for number in range(1, tasks + 1)],
    )
    needs = [
        {"task_id": task, "needs_id": needed}
        for task in range(2, tasks + 1)
        for needed in draw.sample(range(max(1, task - 12), task), min(task - 1, draw.randint(0, 2)))
    ]
    site.write("INSERT INTO task_dependencies (task_id, needs_id) VALUES (:task_id, :needs_id)", needs)
    site.write("INSERT INTO system_settings (name, value) VALUES ('task_operator', :on)", [{"on": 1}])


async def test_workers_that_die_lose_no_task_and_double_none(site: _Site) -> None:
    """Each task is completed once, after all that it waits for, whoever is killed meanwhile."""
    draw = random.Random(20261122)  # noqa: S311 - the same chances in every run, no secret
    _fill(site, _TASKS, draw)
    for number in (1, 2):
        site.start(number)
    for number in (1, 2):
        await site.ready(number)
    deadline, kills = time.monotonic() + _SECONDS, 0
    while site.count(1) < _TASKS:
        assert time.monotonic() < deadline, site.rows("SELECT status, count(*) FROM tasks GROUP BY status")
        await asyncio.sleep(draw.uniform(0.5, 1.5))
        if kills < max(2, _TASKS // 60):
            kills += 1
            victim = draw.choice((1, 2))
            site.workers[victim].kill()
            site.workers[victim].wait(10)
            site.start(victim)
            await site.ready(victim)
    _check(site, _TASKS)


async def test_worker_that_slept_past_its_lease_writes_nothing(site: _Site) -> None:
    """Stopped in the middle of a task, it finds it taken when it wakes: one success, one end, one attempt."""
    agent = ScriptedAgent(site.folder / "agent")
    gate = agent.gate("go")
    site.start(1)
    await site.ready(1)
    site.write("INSERT INTO tasks (prompt) VALUES (:prompt)", [{"prompt": f"{gate}; say done"}])
    site.write("INSERT INTO system_settings (name, value) VALUES ('task_operator', :on)", [{"on": 1}])
    await eventually(lambda: site.rows("SELECT 1 FROM run_attempts"), "the task is begun", 20)
    site.workers[1].send_signal(signal.SIGSTOP)
    site.start(2)
    await site.ready(2)
    await eventually(
        lambda: site.rows("SELECT 1 FROM run_attempts WHERE epoch = 2"),
        "the other takes it up",
        _STALLED_SECONDS * 3,
    )
    site.workers[1].send_signal(signal.SIGCONT)
    agent.open_gate("go")
    await eventually(lambda: site.count(1) == 1, "the task is complete", 30)
    _check(site, 1)
    attempts = site.rows("SELECT state, worker FROM run_attempts ORDER BY epoch")
    assert [row.state for row in attempts] == ["interrupted", "succeeded"]
    assert attempts[0].worker != attempts[1].worker


def _check(site: _Site, tasks: int) -> None:
    """Hold what the database says to the promises."""
    assert site.rows("SELECT status, count(*) FROM tasks GROUP BY status") == [(1, tasks)]
    won = Counter(row[0] for row in site.rows("SELECT task_id FROM task_attempts WHERE state = 'succeeded'"))
    assert won == Counter(range(1, tasks + 1))
    answers = site.rows(
        "SELECT m.run_id FROM messages m JOIN runs r ON r.id = m.run_id AND r.state = 'succeeded'"
        " WHERE m.role = 'assistant'"
    )
    assert Counter(row[0] for row in answers).most_common(1)[0][1] == 1
    assert len(answers) == tasks
    early = site.rows(
        "SELECT d.task_id, d.needs_id FROM task_dependencies d"
        " JOIN task_attempts a ON a.task_id = d.task_id"
        " JOIN task_attempts n ON n.task_id = d.needs_id AND n.state = 'succeeded'"
        " WHERE a.started_at < n.finished_at"
    )
    assert early == []
    overlapping = site.rows(
        "SELECT a.task_id FROM task_attempts a JOIN task_attempts b"
        " ON b.task_id = a.task_id AND b.number > a.number AND b.started_at < a.finished_at"
    )
    assert overlapping == []
    assert site.rows("SELECT task_id FROM task_details WHERE run_id IS NOT NULL") == []
