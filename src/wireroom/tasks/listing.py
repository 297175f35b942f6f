"""Lists of the board for people and programs: filtered, sorted, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Join, Select, Text, and_, cast, func, or_, select

from wireroom.store.schema import runs, task_attempts, task_details, tasks
from wireroom.tasks.dependencies import needs_by_task
from wireroom.tasks.rows import TaskView, odd_texts, view_of
from wireroom.tasks.states import TaskStatus

MOST_LISTED = 10_000
"""Of a list that is asked for without pages."""
SortBy = Literal["order", "createdat", "updatedat", "id"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which tasks, in which order."""

    status: int | None = None
    dead_only: bool = False
    conversation_id: str | None = None
    """Of which conversation; a task has one as soon as it was begun."""
    sort_by: SortBy = "order"
    newest_first: bool = False
    """Highest first, whatever is sorted by."""
    limit: int = MOST_LISTED
    offset: int = 0
    after: tuple[int, int] | None = None
    """Only those behind the task of this order and id; only when sorted by `order`."""


def list_tasks(conn: Connection, wanted: Wanted) -> Sequence[TaskView]:
    """Return the tasks; of equal ones the lowest id first."""
    key = _sort_key(wanted.sort_by)
    query = _filtered(task_columns(), wanted).order_by(
        key.desc() if wanted.newest_first else key.asc(), tasks.c.id
    )
    if wanted.after is not None:
        query = query.where(_behind(wanted.after, highest_first=wanted.newest_first))
    with odd_texts(conn):
        rows = [tuple(row) for row in conn.execute(query.limit(wanted.limit).offset(wanted.offset))]
    needs = needs_by_task(conn, [row[0] for row in rows])
    return [view_of(row, needs.get(row[0], ())) for row in rows]


def count_tasks(conn: Connection, wanted: Wanted) -> int:
    """Return how many tasks there are on all pages."""
    query = _filtered(select(func.count()).select_from(board()), wanted)
    return int(conn.execute(query).scalar_one())


def count_by_status(conn: Connection) -> Mapping[str, int]:
    """Return how many tasks there are by the word for their status, and how many of them are `dead`."""
    found = dict.fromkeys((status.label for status in TaskStatus), 0)
    for status in TaskStatus:
        count = select(func.count()).select_from(tasks).where(tasks.c.status == int(status))
        found[status.label] = int(conn.execute(count).scalar_one())
    dead = _filtered(select(func.count()).select_from(board()), Wanted(dead_only=True))
    return found | {"dead": int(conn.execute(dead).scalar_one())}


def board() -> Join:
    """Return the tasks, each with its details if it has some."""
    return tasks.outerjoin(task_details, task_details.c.task_id == tasks.c.id)


def task_columns(prompt: ColumnElement[str] | None = None) -> Select[Any]:
    """Return the query of what `rows.view_of` reads; `prompt` stands for the whole one."""
    known, details = tasks.c, task_details.c
    return select(
        known.id,
        cast(known.prompt, Text) if prompt is None else prompt,
        known.order,
        known.createdat,
        known.updatedat,
        known.uuid,
        known.status,
        details.repository,
        details.branch,
        details.backend,
        details.labels,
        details.not_before,
        details.failures,
        details.next_try_at,
        details.is_dead,
        details.reason,
        details.run_id,
    ).select_from(board())


def _filtered(query: Select[Any], wanted: Wanted) -> Select[Any]:
    if wanted.status is not None:
        query = query.where(tasks.c.status == wanted.status)
    if wanted.conversation_id is not None:
        query = query.where(tasks.c.id.in_(_worked_on_in(wanted.conversation_id)))
    if wanted.dead_only:
        query = query.where(task_details.c.is_dead == 1, tasks.c.status == int(TaskStatus.BACKLOGGED))
    return query


def _worked_on_in(conversation_id: str) -> Select[Any]:
    return (
        select(task_attempts.c.task_id)
        .join(runs, runs.c.request_id == task_attempts.c.request_id)
        .where(runs.c.conversation_id == conversation_id)
    )


def _behind(after: tuple[int, int], *, highest_first: bool) -> ColumnElement[bool]:
    order, number = after
    further = tasks.c.order < order if highest_first else tasks.c.order > order
    return or_(further, and_(tasks.c.order == order, tasks.c.id > number))


def _sort_key(sort_by: SortBy) -> ColumnElement[object]:
    """Return what is sorted by; times are stored in two forms, with a T or a space in the middle."""
    if sort_by in {"createdat", "updatedat"}:
        return func.replace(tasks.c[sort_by], "T", " ")
    return tasks.c[sort_by]
