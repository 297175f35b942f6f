"""Which task waits for which others; never in a circle.

Another program may add any row to `task_dependencies`, so a circle that is there already is no error here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from sqlalchemy import Connection, select

from wireroom.errors import BadInput
from wireroom.store.schema import task_dependencies
from wireroom.store.statement import Statement

_NEEDS = Statement("SELECT needs_id FROM task_dependencies WHERE task_id = :task_id ORDER BY needs_id")
"""What a task waits for."""

_NEEDED_BY = Statement("SELECT task_id FROM task_dependencies WHERE needs_id = :task_id LIMIT 1")
"""Whether anything waits for a task: else no circle can go through it."""

_EXISTS = Statement("SELECT 1 FROM tasks WHERE id = :task_id")
"""Whether there is such a task."""

_CLEAR = Statement("DELETE FROM task_dependencies WHERE task_id = :task_id")
"""Let a task wait for nothing."""

_ALONE = Statement("LOCK TABLE task_dependencies IN SHARE ROW EXCLUSIVE MODE")
"""Let nobody else write dependencies until the unit ends, on PostgreSQL: two halves of a circle that were
added at once would not see each other. SQLite has one writer anyway."""

_ADD = Statement("INSERT INTO task_dependencies (task_id, needs_id) VALUES (:task_id, :needs_id)")
"""Let a task wait for another."""

_FORGET = Statement("DELETE FROM task_dependencies WHERE task_id = :task_id OR needs_id = :task_id")
"""Drop a deleted task from both sides."""

_AT_ONCE = 500
"""Ids in one query."""


def needs_of(conn: Connection, task_id: int) -> tuple[int, ...]:
    """Return the tasks that this one waits for, finished or not."""
    return tuple(row[0] for row in _NEEDS.rows(conn, task_id=task_id))


def needs_by_task(conn: Connection, ids: Sequence[int]) -> Mapping[int, tuple[int, ...]]:
    """Return what each of these tasks waits for, finished or not; tasks that wait for nothing are absent."""
    found: dict[int, tuple[int, ...]] = {}
    table = task_dependencies
    for start in range(0, len(ids), _AT_ONCE):
        query = (
            select(table).where(table.c.task_id.in_(ids[start : start + _AT_ONCE])).order_by(table.c.needs_id)
        )
        for task_id, needs_id in conn.execute(query):
            found[task_id] = (*found.get(task_id, ()), needs_id)
    return found


def set_needs(conn: Connection, task_id: int, needs: Sequence[int]) -> None:
    """Let the task wait for exactly these.

    Raises:
        BadInput: one of them does not exist, is the task itself, or waits for it.
    """
    for needed in needs:
        if _EXISTS.row(conn, task_id=needed) is None:
            raise BadInput(f"needs: there is no task {needed}")
    if needs and conn.dialect.name == "postgresql":
        _ALONE.run(conn)
    _CLEAR.run(conn, task_id=task_id)
    _refuse_circle(conn, task_id, needs)
    for needed in needs:
        _ADD.run(conn, task_id=task_id, needs_id=needed)


def forget_needs(conn: Connection, task_id: int) -> None:
    """Drop a deleted task: nothing waits for it any more."""
    _FORGET.run(conn, task_id=task_id)


def way_to(start: int, goal: int, needs: Callable[[int], Sequence[int]]) -> list[int]:
    """Return the tasks from `start` to `goal` along what each waits for, empty when there is no way. Pure."""
    came_from = {start: start}
    waiting = [start]
    while waiting:
        here = waiting.pop()
        if here == goal:
            return _trace(came_from, start, goal)
        for there in needs(here):
            if there not in came_from:
                came_from[there] = here
                waiting.append(there)
    return []


def _trace(came_from: Mapping[int, int], start: int, goal: int) -> list[int]:
    way = [goal]
    while way[-1] != start:
        way.append(came_from[way[-1]])
    return way[::-1]


def _refuse_circle(conn: Connection, task_id: int, needs: Sequence[int]) -> None:
    if task_id not in needs and _NEEDED_BY.row(conn, task_id=task_id) is None:
        return
    for needed in needs:
        way = way_to(needed, task_id, partial(needs_of, conn))
        if way:
            circle = " → ".join(str(one) for one in (task_id, *way))
            raise BadInput(f"needs: that would be a circle, {circle}")
