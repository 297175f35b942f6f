"""Units of work on the board: add, change, delete, try again. The board belongs to other programs, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select, update

from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.jobs.port import Jobs
from wireroom.runs.cancel import cancel_run
from wireroom.store.schema import task_attempts, task_details, task_limits, tasks
from wireroom.store.statement import Statement
from wireroom.tasks.dependencies import forget_needs, set_needs
from wireroom.tasks.requests import TaskFields, check_label, check_number
from wireroom.tasks.rows import TaskView, find_task, odd_texts
from wireroom.tasks.states import TaskStatus, read_stamp, shown_stamp, stamp
from wireroom.tasks.wake import wake_operator

_ADD = Statement("""
    INSERT INTO tasks (prompt, "order", status, createdat, updatedat)
    VALUES (:prompt, :order, :status, :now, :now) RETURNING id
""")
"""Add a task; its uuid belongs to the program that gives one."""

_KEEP_DETAILS = Statement("""
    INSERT INTO task_details (task_id, updated_at) VALUES (:task_id, :now_ms) ON CONFLICT (task_id) DO NOTHING
""")
"""Give a task details, all as by default, unless it has some."""

_LIMIT = Statement("""
    INSERT INTO task_limits (label, most) VALUES (:label, :most)
    ON CONFLICT (label) DO UPDATE SET most = excluded.most
""")
"""Set a label's limit, also while another caller does."""

FRESH = {"failures": 0, "is_dead": 0, "next_try_at": None, "reason": None}
"""The details of a task that never failed."""
_OWN_COLUMNS = ("prompt", "order", "status")
_DETAILS = ("repository", "branch", "backend", "labels", "not_before")


@dataclass(frozen=True, slots=True)
class _Stored:
    """What is looked at before a row is changed."""

    status: Any
    updatedat: str | None
    run_id: str | None
    is_dead: bool


def add_task(conn: Connection, jobs: Jobs, said: TaskFields, now_ms: int) -> TaskView:
    """Add a task to the board.

    Raises:
        BadInput: it cannot wait for what it names.
    """
    task_id: int = _ADD.value(
        conn, prompt=said.prompt, order=said.order, status=int(said.status), now=stamp(now_ms)
    )
    _write_details(conn, task_id, said, now_ms)
    wake_operator(conn, jobs)
    return _found(conn, task_id)


def edit_task(conn: Connection, jobs: Jobs, task_id: int, said: TaskFields, now_ms: int) -> TaskView:
    """Change what is said and nothing else; to say nothing changes nothing.

    Raises:
        NotFound: there is no such task.
        Conflict: it was changed since the caller has seen it.
        BadInput: it cannot wait for what it names.
    """
    stored = _locked(conn, task_id)
    _refuse_stale(task_id, stored.updatedat, said.seen)
    if not said.given:
        return _found(conn, task_id)
    own = {name: getattr(said, name) for name in _OWN_COLUMNS if name in said.given}
    _set(conn, task_id, own, now_ms)
    _write_details(conn, task_id, said, now_ms)
    if stored.is_dead and own.get("status") == TaskStatus.READY:
        _set_details(conn, task_id, FRESH, now_ms)
    wake_operator(conn, jobs)
    return _found(conn, task_id)


def retry_task(conn: Connection, jobs: Jobs, task_id: int, now_ms: int) -> TaskView:
    """Make the task ready, as if it had never failed.

    Raises:
        NotFound: there is no such task.
        Conflict: a run works on it.
    """
    stored = _locked(conn, task_id)
    if stored.run_id is not None and stored.status == TaskStatus.IN_PROGRESS:
        raise Conflict(f"Task {task_id} is being worked on by {stored.run_id}. Cancel that run first.")
    _set(conn, task_id, {"status": TaskStatus.READY}, now_ms)
    _set_details(conn, task_id, FRESH, now_ms)
    wake_operator(conn, jobs)
    return _found(conn, task_id)


def delete_task(conn: Connection, jobs: Jobs, task_id: int, now_ms: int) -> None:
    """Remove the task for good; a run that works on it is stopped, and nothing waits for it any more.

    Raises:
        NotFound: there is no such task.
    """
    stored = _locked(conn, task_id)
    conn.execute(delete(tasks).where(tasks.c.id == task_id))
    if stored.run_id is None:
        forget_task(conn, task_id)
    else:
        # What is kept of it goes with the end of the run.
        forget_needs(conn, task_id)
        cancel_run(conn, jobs, stored.run_id, now_ms)
    wake_operator(conn, jobs)


def forget_task(conn: Connection, task_id: int) -> None:
    """Remove what is kept beside the row of a task that is gone."""
    forget_needs(conn, task_id)
    conn.execute(delete(task_attempts).where(task_attempts.c.task_id == task_id))
    conn.execute(delete(task_details).where(task_details.c.task_id == task_id))


def set_limit(conn: Connection, jobs: Jobs, label: str, most: int | None) -> None:
    """Let at most so many tasks of a label be at work at once; None for no limit.

    Raises:
        BadInput: no task could ever begin, or none could have the label.
    """
    if most is None:
        conn.execute(delete(task_limits).where(task_limits.c.label == label))
    elif most < 1:
        raise BadInput("A limit is at least 1; backlog the tasks to have none of them begin.")
    else:
        _LIMIT.run(conn, label=check_label(label), most=check_number("most", most))
    wake_operator(conn, jobs)


def _found(conn: Connection, task_id: int) -> TaskView:
    task = find_task(conn, task_id)
    if task is None:
        raise NotFound("Task not found")
    return task


def _locked(conn: Connection, task_id: int) -> _Stored:
    """Return the task's row, held until the unit ends where the database has row locks."""
    query = select(tasks.c.status, tasks.c.updatedat).where(tasks.c.id == task_id).with_for_update()
    with odd_texts(conn):
        row = conn.execute(query).first()
    if row is None:
        raise NotFound("Task not found")
    details = conn.execute(
        select(task_details.c.run_id, task_details.c.is_dead).where(task_details.c.task_id == task_id)
    ).first()
    run_id, is_dead = (None, 0) if details is None else (details.run_id, details.is_dead)
    return _Stored(row.status, row.updatedat, run_id, bool(is_dead))


def _refuse_stale(task_id: int, updatedat: str | None, seen: str | None) -> None:
    if seen is None or seen in {updatedat, shown_stamp(updatedat)}:
        return
    moment = read_stamp(seen)
    if moment is None or moment != read_stamp(updatedat):
        raise Conflict(f"Task {task_id} was changed meanwhile. Read it again, then change it.")


def _set(conn: Connection, task_id: int, values: Mapping[str, Any], now_ms: int) -> None:
    plain = {name: int(value) if name == "status" else value for name, value in values.items()}
    conn.execute(update(tasks).where(tasks.c.id == task_id).values(**plain, updatedat=stamp(now_ms)))


def _write_details(conn: Connection, task_id: int, said: TaskFields, now_ms: int) -> None:
    values = {name: getattr(said, name) for name in _DETAILS if name in said.given}
    if "labels" in values:
        values["labels"] = msgspec.json.encode(values["labels"]).decode()
    if values:
        _set_details(conn, task_id, values, now_ms)
    if "needs" in said.given:
        set_needs(conn, task_id, said.needs)


def _set_details(conn: Connection, task_id: int, values: Mapping[str, Any], now_ms: int) -> None:
    _KEEP_DETAILS.run(conn, task_id=task_id, now_ms=now_ms)
    conn.execute(
        update(task_details).where(task_details.c.task_id == task_id).values(**values, updated_at=now_ms)
    )
