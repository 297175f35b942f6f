"""The board's dead letters: tasks that were given up, tried again or laid down, many in one go.

A task is dead while it is backlogged *and* marked as given up; moved by somebody, it is an ordinary one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, func, select, update

from wireroom.jobs.port import Jobs
from wireroom.store.schema import task_attempts, task_details, tasks
from wireroom.tasks.board import FRESH
from wireroom.tasks.listing import Wanted, count_tasks
from wireroom.tasks.states import TaskStatus, stamp
from wireroom.tasks.wake import wake_operator

EXCERPT_CHARS = 200


@dataclass(frozen=True, slots=True)
class DeadTask:
    """A task that was given up."""

    id: int
    prompt_excerpt: str
    reason: str | None
    attempts: int
    """Attempts since it was added."""
    given_up_at: int
    run_id: str | None
    """The run of its last attempt."""


def list_dead_tasks(conn: Connection, *, limit: int, before: int | None = None) -> Sequence[DeadTask]:
    """Return the tasks that were given up, newest first; with `before`, those of lower numbers only."""
    details, last = task_details.c, task_attempts.c
    query = (
        select(
            tasks.c.id,
            func.substr(cast(tasks.c.prompt, Text), 1, EXCERPT_CHARS),
            details.reason,
            details.epoch,
            details.updated_at,
            last.run_id,
        )
        .join(task_details, details.task_id == tasks.c.id)
        .outerjoin(task_attempts, (last.task_id == tasks.c.id) & (last.number == details.epoch))
        .where(*_is_dead())
        .order_by(details.task_id.desc())
    )
    if before is not None:
        query = query.where(details.task_id < before)
    return [DeadTask(*row) for row in conn.execute(query.limit(limit))]


def count_dead_tasks(conn: Connection) -> int:
    """Return how many tasks were given up."""
    return count_tasks(conn, Wanted(dead_only=True))


def dead_task_ids(conn: Connection, *, after: int, limit: int) -> Sequence[int]:
    """Return the ids of dead tasks above `after`, lowest first."""
    query = _dead_ids().where(task_details.c.task_id > after).order_by(task_details.c.task_id)
    return conn.execute(query.limit(limit)).scalars().all()


def retry_dead_tasks(conn: Connection, jobs: Jobs, ids: Collection[int], now_ms: int) -> Sequence[int]:
    """Make dead tasks ready, as if they had never failed; return those that were dead, lowest first."""
    revived = _revive(conn, ids, now_ms, status=TaskStatus.READY)
    if revived:
        wake_operator(conn, jobs)
    return revived


def discard_dead_tasks(conn: Connection, ids: Collection[int], now_ms: int) -> Sequence[int]:
    """Take dead tasks off the list of dead letters; return those that were dead, lowest first.

    They stay on the board, in the backlog, so what waits for them goes on waiting.
    """
    return _revive(conn, ids, now_ms, status=TaskStatus.BACKLOGGED)


def _revive(conn: Connection, ids: Collection[int], now_ms: int, *, status: TaskStatus) -> Sequence[int]:
    changed = conn.execute(
        update(tasks)
        .where(tasks.c.id.in_(_dead_ids().where(task_details.c.task_id.in_(ids))))
        .values(status=int(status), updatedat=stamp(now_ms))
        .returning(tasks.c.id)
    )
    found = sorted(changed.scalars())
    conn.execute(
        update(task_details).where(task_details.c.task_id.in_(found)).values(**FRESH, updated_at=now_ms)
    )
    return found


def _dead_ids() -> Select[Any]:
    return select(task_details.c.task_id).join(tasks, tasks.c.id == task_details.c.task_id).where(*_is_dead())


def _is_dead() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return task_details.c.is_dead == 1, tasks.c.status == int(TaskStatus.BACKLOGGED)
