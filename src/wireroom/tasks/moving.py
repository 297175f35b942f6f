"""Moves a task to a place in a column, which is to say among the tasks of one status.

A task's place is (`order`, id), as every program that shares the table reads it. A move writes the order of
that one task, unless its new neighbours leave no number free: then the orders of those above it go down just
as far as they must, in one statement, and those below stay: what other programs add has order 0, and so comes
behind what stands there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, func, select, text

from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.jobs.port import Jobs
from wireroom.store.statement import Statement
from wireroom.tasks.board import add_task, edit_task
from wireroom.tasks.dead import discard_dead_tasks
from wireroom.tasks.requests import LARGEST, TaskFields
from wireroom.tasks.rows import TaskView
from wireroom.tasks.states import TaskStatus, label_of

STEP = 1000
"""Free numbers that are left beside a task that is moved to an end: ten halvings."""
_LOWEST_ANCHOR = -LARGEST // 2
"""A column whose orders are below this is numbered anew: a million tasks can still go above it."""

_MOVERS = 7703110
"""The number of the lock that lets nobody else move a task until the unit ends, on PostgreSQL: a move reads
where others stand. SQLite has one writer anyway."""

_STANDS = Statement('SELECT status, "order" FROM tasks WHERE id = :task_id')
"""Where a task stands."""

_FIRST = Statement("""
    SELECT "order", id FROM tasks WHERE status = :status AND id <> :task_id ORDER BY "order", id LIMIT 1
""")
"""The first of a column."""

_LAST = Statement("""
    SELECT "order", id FROM tasks WHERE status = :status AND id <> :task_id
    ORDER BY "order" DESC, id DESC LIMIT 1
""")
"""The last of a column."""

_ABOVE = Statement("""
    SELECT "order", id FROM tasks WHERE status = :status AND id <> :task_id
        AND "order" <= :order AND ("order" < :order OR id < :beside)
    ORDER BY "order" DESC, id DESC LIMIT 1
""")
"""The one before a place."""

_BELOW = Statement("""
    SELECT "order", id FROM tasks WHERE status = :status AND id <> :task_id
        AND "order" >= :order AND ("order" > :order OR id > :beside)
    ORDER BY "order", id LIMIT 1
""")
"""The one after a place."""

_GO_DOWN = text("""
    UPDATE tasks SET "order" = :order - :step * above.place FROM (
        SELECT id, row_number() OVER (ORDER BY "order" DESC, id DESC) AS place FROM tasks
        WHERE status = :status AND id <> :task_id AND "order" <= :order AND ("order" < :order OR id < :beside)
    ) AS above WHERE tasks.id = above.id AND tasks."order" > :order - :step * above.place
""")
"""Leave `step` numbers free before a task and between those above it, where there are fewer."""

_NUMBER_ANEW = text("""
    UPDATE tasks SET "order" = :step * (1 - one.place) FROM (
        SELECT id, row_number() OVER (ORDER BY "order" DESC, id DESC) AS place FROM tasks
        WHERE status = :status AND id <> :task_id
    ) AS one WHERE tasks.id = one.id
""")
"""Number a whole column, ending with 0: for orders that are no numbers, or beyond what we can count."""


class End(StrEnum):
    """An end of a column."""

    TOP = "top"
    END = "end"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands in its column."""

    order: Any
    """A number, or whatever another program stored."""
    id: int

    @property
    def is_sound(self) -> bool:
        """Numbers go on from here in both directions."""
        return isinstance(self.order, int) and _LOWEST_ANCHOR <= self.order <= LARGEST - STEP


@dataclass(frozen=True, slots=True)
class Move:
    """Where a task shall go."""

    status: TaskStatus | None = None
    """Into which column; None: its own."""
    after: int | None = None
    """Right behind this task."""
    before: int | None = None
    """Right before this one; with both, `before` counts if the other has left the column."""
    at: End = End.END
    """When neither is named."""
    seen: int | None = None
    """The status that the caller has seen; a task that has another by now is not moved."""


def move_task(conn: Connection, jobs: Jobs, task_id: int, to: Move, now_ms: int) -> TaskView:
    """Move the task; a place that it has already changes nothing.

    Raises:
        NotFound: there is no such task.
        Conflict: it is elsewhere by now, or the tasks that it shall stand beside are.
        BadInput: it shall stand beside itself.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_MOVERS)))
    found = _STANDS.row(conn, task_id=task_id)
    if found is None:
        raise NotFound("Task not found")
    stored, order = found
    if to.seen is not None and to.seen != stored:
        raise Conflict(f"Task {task_id} is {_word(stored)} by now; it was not moved.")
    if task_id in {to.after, to.before}:
        raise BadInput("A task cannot be moved beside itself.")
    if to.status is TaskStatus.BACKLOGGED:
        # One that was given up is backlogged already, and whoever moves it there means an ordinary one.
        discard_dead_tasks(conn, [task_id], now_ms)
    status = stored if to.status is None else int(to.status)
    free = _free_order(conn, task_id, order, status, to)
    given = frozenset(["order"] * (free != order) + ["status"] * (status != stored))
    said = TaskFields(given=given, order=free, status=to.status or TaskStatus.READY)
    return edit_task(conn, jobs, task_id, said, now_ms)


def add_at(conn: Connection, jobs: Jobs, said: TaskFields, at: End, now_ms: int) -> TaskView:
    """Add a task at one end of its column.

    Raises:
        BadInput: it cannot wait for what it names.
    """
    added = add_task(conn, jobs, said, now_ms)
    return move_task(conn, jobs, added.id, Move(at=at), now_ms)


def order_between(above: Place | None, below: Place | None, task_id: int, order: Any) -> int | None:
    """Return an order that puts the task between its neighbours, None when they leave none. Pure.

    Args:
        above: The one before it, None at the top.
        below: The one behind it, None at the end.
        task_id: The task: of equal orders the lower id goes first.
        order: What it has now, which stays if it does.
    """
    tries = [order]
    if above and below:
        tries += [above.order, below.order, (above.order + below.order) // 2]
        tries = [tries[0], tries[3]] if below.order - above.order > 1 else tries[:3]
    elif above:
        tries += [above.order, above.order + STEP]
    elif below:
        tries += [below.order, below.order - STEP]
    else:
        tries.append(0)
    return next((one for one in tries if _fits(above, below, one, task_id)), None)


def _fits(above: Place | None, below: Place | None, order: Any, task_id: int) -> bool:
    if not isinstance(order, int) or abs(order) > LARGEST:
        return False
    here = (order, task_id)
    return (above is None or (above.order, above.id) < here) and (
        below is None or here < (below.order, below.id)
    )


def _free_order(conn: Connection, task_id: int, order: Any, status: int, to: Move) -> int:
    """Return an order for the task, making room when there is none."""
    above, below = _neighbours(conn, task_id, status, to)
    if not all(place.is_sound for place in (above, below) if place):
        conn.execute(_NUMBER_ANEW, {"status": status, "task_id": task_id, "step": STEP})
        above, below = _neighbours(conn, task_id, status, to)
    free = order_between(above, below, task_id, order)
    if free is None and above and below:
        beside = {"order": below.order, "beside": below.id}
        conn.execute(_GO_DOWN, {"status": status, "task_id": task_id, "step": STEP, **beside})
        free = order_between(Place(below.order - STEP, above.id), below, task_id, order)
    if free is None:
        raise Conflict(f"There is no room for task {task_id} there.")
    return free


def _neighbours(conn: Connection, task_id: int, status: int, to: Move) -> tuple[Place | None, Place | None]:
    """Return between which two the task shall stand."""
    after, before = (_standing(conn, one, status) for one in (to.after, to.before))
    if after:
        return after, _beside(conn, _BELOW, task_id, status, after)
    if before:
        return _beside(conn, _ABOVE, task_id, status, before), before
    if to.after is not None or to.before is not None:
        raise Conflict("The tasks that it was to stand beside have left that column; it was not moved.")
    if to.at is End.TOP:
        return None, _place(_FIRST.row(conn, status=status, task_id=task_id))
    return _place(_LAST.row(conn, status=status, task_id=task_id)), None


def _standing(conn: Connection, task_id: int | None, status: int) -> Place | None:
    """Return where a task stands in the column, None when it is not in it."""
    found = None if task_id is None else _STANDS.row(conn, task_id=task_id)
    if found is None or found[0] != status or task_id is None:
        return None
    return Place(found[1], task_id)


def _beside(conn: Connection, way: Statement, task_id: int, status: int, place: Place) -> Place | None:
    return _place(way.row(conn, status=status, task_id=task_id, order=place.order, beside=place.id))


def _place(row: tuple[Any, ...] | None) -> Place | None:
    return None if row is None else Place(*row)


def _word(status: object) -> str:
    return label_of(status).replace("_", " ")
