"""The board in columns, as people look at it: how many tasks each has, and those that are in sight.

A column is a status, but what was given up stands in one of its own. However many tasks there are, a look
takes a fixed number of statements for each column. Tasks are shown as cards: their prompts are cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    Text,
    and_,
    case,
    cast,
    func,
    not_,
    or_,
    select,
)

from wireroom.store.schema import task_dependencies, task_details, tasks
from wireroom.store.statement import Statement
from wireroom.tasks.dependencies import needs_by_task
from wireroom.tasks.listing import board, task_columns
from wireroom.tasks.rows import TaskView, odd_texts, read_labels, view_of
from wireroom.tasks.states import FINISHED, TaskStatus

MOST_SHOWN_CHARS = 400
"""Of a prompt on a card."""
MOST_FOUND = 20
_MOST_CHOICES = 500
_MOST_DIGITS = 10

_FAILED = Statement("""
    SELECT count(*) FROM task_details d JOIN tasks t ON t.id = d.task_id WHERE d.is_dead = 1 AND t.status = 3
""")
"""How many tasks were given up."""


class Column(StrEnum):
    """The columns, from left to right."""

    BACKLOG = "backlog"
    READY = "ready"
    IN_PROGRESS = "in_progress"
    FAILED = "failed"
    """Given up after its last attempt; in the table they are backlogged."""
    DONE = "done"
    ARCHIVED = "archived"
    OTHER = "other"
    """Another program gave them a status that nobody knows."""


_STATUSES = {
    Column.BACKLOG: TaskStatus.BACKLOGGED,
    Column.READY: TaskStatus.READY,
    Column.IN_PROGRESS: TaskStatus.IN_PROGRESS,
    Column.FAILED: TaskStatus.BACKLOGGED,
    Column.DONE: TaskStatus.COMPLETE,
    Column.ARCHIVED: TaskStatus.ARCHIVED,
}
_NEWEST_FIRST = frozenset({Column.DONE, Column.ARCHIVED})
"""Sorted by when they were last changed: what comes next does not matter there."""


@dataclass(frozen=True, slots=True)
class Sought:
    """What people look for; empty for everything."""

    text: str = ""
    """In the prompt, capital or not; or a task's number, also as `#12`."""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a column is in sight."""

    column: Column
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Card:
    """A task with its prompt cut, and those that it still waits for."""

    task: TaskView
    unmet: tuple[int, ...]


def count_columns(conn: Connection, sought: Sought) -> Mapping[Column, int]:
    """Return how many tasks each column has of those that are sought."""
    found = dict.fromkeys(Column, 0)
    for status, dead, count in _counted(conn, sought):
        found[_column_of(status, is_dead=bool(dead))] += count
    return found


def show_window(conn: Connection, window: Window, sought: Sought) -> Sequence[Card]:
    """Return the cards that are in sight, in the column's order."""
    query = _sought(select(tasks.c.id).select_from(board()), sought).where(_in_column(window.column))
    query = query.order_by(*_order_of(window.column)).limit(window.size).offset(window.start)
    return cards_of(conn, [row[0] for row in conn.execute(query)])


def find_cards(conn: Connection, text: str) -> Sequence[Card]:
    """Return a few tasks that somebody may mean by a number or by words, newest first."""
    query = _sought(select(tasks.c.id).select_from(board()), Sought(text))
    exact = case((tasks.c.id == (_number_in(text) or 0), 0), else_=1)
    return cards_of(
        conn, [row[0] for row in conn.execute(query.order_by(exact, tasks.c.id.desc()).limit(MOST_FOUND))]
    )


def cards_of(conn: Connection, ids: Sequence[int]) -> Sequence[Card]:
    """Return the cards of these tasks, in this order; those that are gone are left out."""
    if not ids:
        return []
    cut = func.substr(cast(tasks.c.prompt, Text), 1, MOST_SHOWN_CHARS)
    with odd_texts(conn):
        rows = {row[0]: tuple(row) for row in conn.execute(task_columns(cut).where(tasks.c.id.in_(ids)))}
    needs = needs_by_task(conn, ids)
    unmet = _unmet(conn, needs.values())
    return [
        Card(view_of(rows[one], needs.get(one, ())), tuple(n for n in needs.get(one, ()) if n in unmet))
        for one in ids
        if one in rows
    ]


def waiting_for(conn: Connection, task_id: int) -> Sequence[int]:
    """Return the tasks that wait for this one, a hundred at most."""
    query = select(task_dependencies.c.task_id).where(task_dependencies.c.needs_id == task_id)
    return [row[0] for row in conn.execute(query.order_by(task_dependencies.c.task_id).limit(100))]


def labels_in_use(conn: Connection) -> Sequence[str]:
    """Return the labels that tasks have, sorted."""
    stored = task_details.c.labels
    query = select(stored).where(stored != "[]").distinct().limit(_MOST_CHOICES)
    return sorted({label for found in conn.execute(query).scalars() for label in read_labels(found)})


def repositories_in_use(conn: Connection) -> Sequence[str]:
    """Return the repositories that tasks name, sorted."""
    named = task_details.c.repository
    query = select(named).where(named.is_not(None)).distinct().order_by(named).limit(_MOST_CHOICES)
    return [found for found in conn.execute(query).scalars() if found is not None]


def _column_of(status: object, *, is_dead: bool) -> Column:
    if is_dead and status == TaskStatus.BACKLOGGED:
        return Column.FAILED
    return next((one for one, known in _STATUSES.items() if known == status), Column.OTHER)


def _counted(conn: Connection, sought: Sought) -> Iterable[Sequence[Any]]:
    dead = func.coalesce(task_details.c.is_dead, 0)
    grouped = select(tasks.c.status, dead, func.count()).select_from(board())
    if sought != Sought():
        return conn.execute(_sought(grouped, sought).group_by(tasks.c.status, dead)).all()
    # Nothing is sought: an index alone tells the counts, and few tasks were given up.
    failed: int = _FAILED.value(conn)
    query = select(tasks.c.status, func.count()).group_by(tasks.c.status)
    counts = [(status, 0, count) for status, count in conn.execute(query)]
    backlogged = int(TaskStatus.BACKLOGGED)
    return [*counts, (backlogged, 1, failed), (backlogged, 0, -failed)]


def _in_column(column: Column) -> ColumnElement[bool]:
    if column is Column.OTHER:
        return tasks.c.status.not_in([int(status) for status in TaskStatus])
    is_there = tasks.c.status == int(_STATUSES[column])
    if column is Column.FAILED:
        return and_(is_there, task_details.c.is_dead == 1)
    if column is Column.BACKLOG:
        return and_(is_there, func.coalesce(task_details.c.is_dead, 0) == 0)
    return is_there


def _order_of(column: Column) -> Sequence[ColumnElement[Any]]:
    if column in _NEWEST_FIRST:
        # Stored in two forms, with a T or a space in the middle.
        return func.replace(tasks.c.updatedat, "T", " ").desc(), tasks.c.id.desc()
    return tasks.c.order, tasks.c.id


def _sought(query: Select[Any], sought: Sought) -> Select[Any]:
    if sought.text:
        has_text = func.lower(cast(tasks.c.prompt, Text)).contains(sought.text.lower(), autoescape=True)
        number = _number_in(sought.text)
        query = query.where(has_text if number is None else or_(has_text, tasks.c.id == number))
    if sought.label:
        stored = msgspec.json.encode(sought.label).decode()
        query = query.where(cast(task_details.c.labels, String).contains(stored, autoescape=True))
    return query


def _number_in(text: str) -> int | None:
    """Return the number that a text may stand for: `12` or `#12`."""
    digits = text.strip().removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < _MOST_DIGITS else None


def _unmet(conn: Connection, needs: Iterable[Sequence[int]]) -> frozenset[int]:
    """Return which of these are not finished; one that is gone holds nobody back."""
    wanted = {one for some in needs for one in some}
    if not wanted:
        return frozenset()
    finished = tasks.c.status.in_([int(status) for status in FINISHED])
    query = select(tasks.c.id).where(tasks.c.id.in_(wanted), not_(finished))
    return frozenset(row[0] for row in conn.execute(query))
