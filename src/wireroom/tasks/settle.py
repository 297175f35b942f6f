"""Brings the end of a run to its task: what it said is kept, and the board says what is true.

The task's row is changed only where it still says that we work on it: what somebody has decided stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.clock import from_ms, to_ms
from wireroom.jobs.port import RetryPolicy
from wireroom.runs.states import RunState
from wireroom.store.statement import Row, Statement
from wireroom.tasks.board import forget_task
from wireroom.tasks.endings import Complete, Ending, GiveUp, SetAside, TryAgain, ending_of
from wireroom.tasks.states import TaskStatus, label_of, stamp

ENDED = Statement("""
    SELECT d.task_id, d.epoch, d.failures, r.state, r.reason, r.output, r.usage, a.started_at, r.finished_at,
        t.id, t.status
    FROM task_details d
    LEFT JOIN runs r ON r.id = d.run_id
    LEFT JOIN task_attempts a ON a.task_id = d.task_id AND a.number = d.epoch
    LEFT JOIN tasks t ON t.id = d.task_id
    WHERE d.run_id IS NOT NULL AND (r.id IS NULL OR r.state NOT IN ('queued', 'running'))
""")
"""Tasks whose run has ended, or is gone, and that have not been told yet."""

_MOVE = Statement("""
    UPDATE tasks SET status = :status, updatedat = :now WHERE id = :task_id AND status = 4
""")
"""Say on the board how it ended, unless somebody has decided otherwise meanwhile."""

_RELEASE = Statement("""
    UPDATE task_details SET run_id = NULL, failures = :failures, next_try_at = :next_try_at,
        is_dead = :is_dead, reason = :reason, updated_at = :now_ms
    WHERE task_id = :task_id AND epoch = :epoch
""")
"""Let go of the task."""

_CLOSE = Statement("""
    UPDATE task_attempts SET state = :state, result = :result, error = :error, cost_usd = :cost_usd,
        finished_at = :finished_at
    WHERE task_id = :task_id AND number = :epoch
""")
"""Keep what came of the attempt."""

_KEPT_CHARS = 20_000
"""Of a result: the run has all of it."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A task that was told how its run ended."""

    task_id: int
    state: RunState
    """How its run ended."""
    ending: Ending
    """What follows from that, unless somebody has decided otherwise."""
    said: str | None
    """The agent's answer, or why it failed."""
    seconds: float
    cost_usd: float | None
    stays: str | None
    """The word for the status that somebody has given it meanwhile, and that it keeps; None: the board says
    what follows from the ending."""


def settle_ended(conn: Connection, policy: RetryPolicy, now_ms: int, jitter: float) -> list[Settled]:
    """Tell every task whose run has ended.

    Args:
        conn: The unit's.
        policy: How often a task is tried, and how long after a failure.
        now_ms: The time.
        jitter: The caller's draw in [0, policy.max_jitter].
    """
    found = [_settle(conn, row, policy, now_ms, jitter) for row in ENDED.rows(conn)]
    return [one for one in found if one is not None]


def _settle(conn: Connection, row: Row, policy: RetryPolicy, now_ms: int, jitter: float) -> Settled | None:
    task_id, epoch, failures, state, reason, output, usage, started_at, finished_at, row_id, status = row
    if row_id is None:
        forget_task(conn, task_id)
        return None
    # A run that is gone from the database was interrupted, as far as anybody can tell.
    ended_as = RunState(state) if state else RunState.INTERRUPTED
    ending = ending_of(ended_as, failures, policy, from_ms(now_ms), jitter)
    why = None if ended_as is RunState.SUCCEEDED else reason or "Its run is gone."
    cost = _cost(usage)
    _CLOSE.run(
        conn,
        task_id=task_id,
        epoch=epoch,
        state=ended_as.value,
        result=output[:_KEPT_CHARS] if output else None,
        error=why,
        cost_usd=cost,
        finished_at=finished_at or now_ms,
    )
    moved = bool(_MOVE.run(conn, task_id=task_id, status=int(_status(ending)), now=stamp(now_ms)))
    # Whoever makes it ready during a run that fails wants it tried again, and not without a pause.
    counts = moved or (status == TaskStatus.READY and isinstance(ending, TryAgain))
    _release(conn, (task_id, epoch), ending if counts else SetAside(), why, now_ms)
    seconds = max(0, (finished_at or now_ms) - (started_at or now_ms)) / 1000
    agrees = isinstance(ending, Complete | SetAside) and status == _status(ending)
    stays = None if moved or agrees else label_of(status)
    return Settled(task_id, ended_as, ending, why or output, seconds, cost, stays)


def _status(ending: Ending) -> TaskStatus:
    match ending:
        case Complete():
            return TaskStatus.COMPLETE
        case TryAgain():
            return TaskStatus.READY
        case GiveUp() | SetAside():
            return TaskStatus.BACKLOGGED


def _release(conn: Connection, held: tuple[int, int], ending: Ending, why: str | None, now_ms: int) -> None:
    task_id, epoch = held
    failures, next_try_at = 0, None
    if isinstance(ending, TryAgain | GiveUp):
        failures = ending.failures
    if isinstance(ending, TryAgain):
        next_try_at = to_ms(ending.when)
    _RELEASE.run(
        conn,
        task_id=task_id,
        epoch=epoch,
        failures=failures,
        next_try_at=next_try_at,
        is_dead=int(isinstance(ending, GiveUp)),
        reason=why,
        now_ms=now_ms,
    )


def _cost(usage: str | None) -> float | None:
    told: dict[str, Any] = msgspec.json.decode(usage) if usage else {}
    cost = told.get("cost_usd")
    return float(cost) if isinstance(cost, int | float) else None
