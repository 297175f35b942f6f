"""Tasks as rows: what is read of the board and of the tables beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from wireroom.store.database import driver
from wireroom.store.schema import task_limits
from wireroom.store.statement import Row, Statement
from wireroom.tasks.choice import AtWork, Candidate
from wireroom.tasks.dependencies import needs_of
from wireroom.tasks.states import TaskStatus, label_of, read_stamp

_FIND = Statement("""
    SELECT t.id, CAST(t.prompt AS TEXT), t."order", t.createdat, t.updatedat, t.uuid, t.status,
        d.repository, d.branch, d.backend, d.labels, d.not_before, d.failures, d.next_try_at,
        d.is_dead, d.reason, d.run_id
    FROM tasks t LEFT JOIN task_details d ON d.task_id = t.id WHERE t.id = :task_id
""")
"""One task with its details; another program may have stored its prompt as bytes."""

_ATTEMPTS = Statement("""
    SELECT number, run_id, request_id, state, result, error, cost_usd, started_at, finished_at
    FROM task_attempts WHERE task_id = :task_id ORDER BY number DESC LIMIT :most
""")
"""A task's attempts, newest first."""

CANDIDATES = Statement("""
    SELECT t.id, t."order", t.status, t.updatedat, d.epoch, d.run_id, d.is_dead, d.not_before, d.next_try_at,
        d.labels,
        (SELECT count(*) FROM task_dependencies n JOIN tasks o ON o.id = n.needs_id
         WHERE n.task_id = t.id AND o.status NOT IN (1, 2))
    FROM tasks t LEFT JOIN task_details d ON d.task_id = t.id
    WHERE t.status = :status ORDER BY t."order", t.id LIMIT :most OFFSET :skipped
""")
"""A piece of the tasks of one status in the board's order, with what may hold each back."""

_AT_WORK = Statement("SELECT labels FROM task_details WHERE run_id IS NOT NULL")
"""The labels of what is at work, whatever its row says meanwhile."""

PIECE = 64
"""Candidates read at first: most turns need no more than the first of them."""
_LARGEST_PIECE = 4096
_MOST_IN_PROGRESS = 1_000
_readable = partial(str, encoding="utf-8", errors="replace")
_read_labels = msgspec.json.Decoder(tuple[str, ...]).decode


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as people and programs see it."""

    id: int
    prompt: str
    order: Any
    """A number, or whatever another program stored."""
    createdat: str | None
    updatedat: str | None
    uuid: str | None
    status: Any
    repository: str | None
    branch: str | None
    backend: str | None
    labels: tuple[str, ...]
    not_before: int | None
    failures: int
    next_try_at: int | None
    is_dead: bool
    reason: str | None
    run_id: str | None
    """The run that works on it."""
    needs: tuple[int, ...] = ()
    """Tasks that it waits for, finished or not."""

    @property
    def label(self) -> str:
        """The word for its status."""
        return label_of(self.status)


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt at a task."""

    number: int
    run_id: str
    request_id: str
    state: str
    result: str | None
    error: str | None
    cost_usd: float | None
    started_at: int
    finished_at: int | None


@contextmanager
def odd_texts(conn: Connection) -> Iterator[None]:
    """Read bytes that are no UTF-8 as marks, where the database keeps such: one row must not hide the board.

    SQLite stores what a terminal sends, such as Latin-1, and its driver refuses to read it back.
    """
    if conn.dialect.name != "sqlite":
        yield
        return
    raw = driver(conn)
    before, raw.text_factory = raw.text_factory, _readable
    try:
        yield
    finally:
        raw.text_factory = before


def find_task(conn: Connection, task_id: int) -> TaskView | None:
    """Return the task, None when there is none."""
    with odd_texts(conn):
        row = _FIND.row(conn, task_id=task_id)
    return None if row is None else view_of(row, needs_of(conn, task_id))


def attempts_of(conn: Connection, task_id: int, most: int = 20) -> Sequence[AttemptView]:
    """Return the task's attempts, newest first."""
    return [AttemptView(*row) for row in _ATTEMPTS.rows(conn, task_id=task_id, most=most)]


def at_work(conn: Connection) -> AtWork:
    """Return how many tasks our runs work on, in all and by label."""
    found = [read_labels(row[0]) for row in _AT_WORK.rows(conn)]
    by_label: dict[str, int] = {}
    for label in (label for labels in found for label in labels):
        by_label[label] = by_label.get(label, 0) + 1
    return AtWork(len(found), by_label)


def limits_by_label(conn: Connection) -> Mapping[str, int]:
    """Return how many tasks of a label may be at work at once, for the labels that have a limit."""
    return {row.label: row.most for row in conn.execute(select(task_limits))}


def candidates(conn: Connection) -> Iterator[Candidate]:
    """Yield what may be begun, ready or in progress, in the board's order; reads only what is asked for."""
    in_progress = CANDIDATES.rows(conn, status=int(TaskStatus.IN_PROGRESS), most=_MOST_IN_PROGRESS, skipped=0)
    stuck = [_candidate(row) for row in in_progress if row[5] is None]
    for ready in _ready(conn):
        while stuck and _place(stuck[0]) < _place(ready):
            yield stuck.pop(0)
        yield ready
    yield from stuck


def view_of(row: Row, needs: tuple[int, ...] = ()) -> TaskView:
    """Return a task of the columns that `_FIND` names, and of what it waits for."""
    known = [*row, needs]
    known[10] = read_labels(row[10])
    known[12] = row[12] or 0
    # What somebody has moved since it was given up is given up no more, whatever stands beside its row.
    known[14] = bool(row[14]) and row[6] == TaskStatus.BACKLOGGED
    return TaskView(*known)


def read_labels(stored: str | None) -> tuple[str, ...]:
    """Return stored labels; none for a task without details."""
    return _read_labels(stored) if stored else ()


def _ready(conn: Connection) -> Iterator[Candidate]:
    skipped, most = 0, PIECE
    while True:
        rows = CANDIDATES.rows(conn, status=int(TaskStatus.READY), most=most, skipped=skipped)
        yield from map(_candidate, rows)
        if len(rows) < most:
            return
        # Each piece walks past those before it, so a long way takes few and large ones.
        skipped, most = skipped + most, min(most * 4, _LARGEST_PIECE)


def _candidate(row: Row) -> Candidate:
    task_id, order, status, touched, epoch, run_id, is_dead, not_before, next_try_at, labels, unmet = row
    return Candidate(
        id=task_id,
        order=order,
        status=status,
        touched_at=read_stamp(touched),
        epoch=epoch or 0,
        is_at_work=run_id is not None,
        is_dead=bool(is_dead),
        not_before=not_before,
        next_try_at=next_try_at,
        unmet=unmet,
        labels=read_labels(labels),
    )


def _place(candidate: Candidate) -> tuple[int, float, int]:
    """Return where a task stands: SQLite puts NULL before numbers and numbers before texts."""
    order = candidate.order
    if order is None:
        return (0, 0.0, candidate.id)
    return (1, float(order), candidate.id) if isinstance(order, int | float) else (2, 0.0, candidate.id)
