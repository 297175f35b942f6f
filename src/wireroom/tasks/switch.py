"""The operator's switch and its lock, as people and the older service's callers know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.jobs.port import Jobs
from wireroom.runs.attempt import scope_of
from wireroom.runs.cancel import cancel_run
from wireroom.store.statement import Statement
from wireroom.system_settings import SettingChange, last_change, set_setting
from wireroom.tasks.listing import count_by_status
from wireroom.tasks.states import stamp
from wireroom.tasks.wake import SWITCH, ask_for_turn, is_operator_on, wake_operator

_HELD = Statement("""
    SELECT d.task_id, d.run_id FROM task_details d LEFT JOIN runs r ON r.id = d.run_id
    WHERE d.run_id IS NOT NULL AND r.cancel_requested_at IS NULL
""")
"""Tasks that our runs work on and that nobody has stopped, whatever their rows say: each takes a place."""

_FOREIGN = Statement("""
    SELECT t.id FROM tasks t LEFT JOIN task_details d ON d.task_id = t.id
    WHERE t.status = 4 AND d.run_id IS NULL ORDER BY t.id
""")
"""Tasks that are in progress by what their row says, and not by us."""

_MAKE_READY = Statement("UPDATE tasks SET status = 0, updatedat = :now WHERE id = :task_id AND status = 4")
"""Let a task be begun again."""

_CALL = Statement("""
    SELECT r.id, r.epoch, n.errand
    FROM task_attempts a JOIN runs r ON r.id = a.run_id
    LEFT JOIN run_attempts n ON n.run_id = r.id AND n.epoch = r.epoch
    WHERE a.request_id = :request_id
""")
"""The run that an attempt at a task has asked for, its newest attempt, and what a runner was given for it."""


@dataclass(frozen=True, slots=True)
class OperatorStatus:
    """What people ask about the operator."""

    is_on: bool
    at_work: Mapping[int, str]
    """Tasks that our runs work on, with the run of each."""
    foreign: tuple[int, ...]
    """Tasks in progress that another program has begun, or left behind."""
    counts: Mapping[str, int]
    """Tasks by the word for their status; `dead` are those among the backlogged that were given up."""
    last_change: SettingChange | None
    """Who last turned the switch; None when nobody did through us for long."""


def turn_on(conn: Connection, jobs: Jobs, *, who: str, now_ms: int) -> None:
    """Have the operator begin tasks; again changes nothing."""
    set_setting(conn, SWITCH, 1, who=who, now_ms=now_ms)
    ask_for_turn(conn, jobs)


def turn_off(conn: Connection, *, who: str, now_ms: int) -> None:
    """Have the operator begin nothing more; what is at work goes on, and its end is noted."""
    set_setting(conn, SWITCH, 0, who=who, now_ms=now_ms)


def operator_status(conn: Connection) -> OperatorStatus:
    """Return where the operator stands."""
    return OperatorStatus(
        is_on=is_operator_on(conn),
        at_work=dict(sorted(_HELD.rows(conn))),
        foreign=tuple(row[0] for row in _FOREIGN.rows(conn)),
        counts=count_by_status(conn),
        last_change=last_change(conn, SWITCH),
    )


def is_locked(conn: Connection) -> bool:
    """Tell whether a task is at work."""
    return _HELD.row(conn) is not None


def clear_lock(conn: Connection, jobs: Jobs, now_ms: int) -> int:
    """Let go of every task in progress, ours or not: it is ready again; return how many there were.

    A run of ours is stopped: its task is begun again only when that run has ended, so no task is worked on
    twice at once. It counts as no failure. A task that somebody has moved meanwhile stays where it is.
    """
    held = sorted(_HELD.rows(conn))
    ids = [row[0] for row in held] + [row[0] for row in _FOREIGN.rows(conn)]
    for task_id in ids:
        _MAKE_READY.run(conn, task_id=task_id, now=stamp(now_ms))
    for _, run_id in held:
        cancel_run(conn, jobs, run_id, now_ms)
    wake_operator(conn, jobs)
    return len(ids)


def call_of(conn: Connection, request_id: str) -> str:
    """Return what a remote runner's result is waited for under: that of the attempt, else as it came.

    After a restart that is still what the runner was given before it.
    """
    found = _CALL.row(conn, request_id=request_id)
    if found is None:
        return request_id
    run_id, epoch, errand = found
    return errand or scope_of(run_id, epoch)
