"""Reads of runs for people and programs, and the new wording of one that waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select, text, update

from wireroom.runs.busy import BusyMode
from wireroom.runs.options import RunOptions, RunReport, read_options, read_report
from wireroom.runs.states import RunMode, RunState
from wireroom.store.schema import runs
from wireroom.store.statement import Statement

_COUNT_UNFINISHED = Statement("""
    SELECT count(*) FROM runs WHERE lane = :lane AND state IN ('queued', 'running')
""")
"""How many come before a new request of the lane."""

_COUNT_FIRST = Statement("""
    SELECT count(*) FROM runs WHERE lane = :lane AND state IN ('queued', 'running')
        AND (state = 'running' OR options LIKE '%"busy":"interrupt"%')
""")
"""How many come before a new request that interrupts."""

_CANCEL_WANTED = Statement("SELECT cancel_requested_at FROM runs WHERE id = :run_id")
"""Whether a person asked to stop the run."""


@dataclass(frozen=True, slots=True)
class RunView:
    """A run as people see it."""

    id: str
    request_id: str
    conversation_id: str
    lane: str
    source: str
    prompt: str
    backend: str
    state: RunState
    reason: str | None
    output: str | None
    exit_code: int | None
    usage: dict[str, Any] | None
    event_count: int
    interruptions: int
    source_message_id: int | None
    queued_at: int
    started_at: int | None
    finished_at: int | None
    error: str | None
    mode: RunMode
    options: RunOptions
    report: RunReport
    joined_run_id: str | None = None
    """The run that its words are offered to or, once joined, went to."""
    epoch: int = 0
    """Number of its newest attempt; 0 for one that has never begun."""
    is_stopping: bool = False
    """A person asked to stop it."""


def find_run(conn: Connection, run_id: str) -> RunView | None:
    """Return the run of this id or request id, None when there is none."""
    row = conn.execute(select(runs).where((runs.c.id == run_id) | (runs.c.request_id == run_id))).first()
    return None if row is None else _view(row)


def unfinished_runs(conn: Connection, lane: str) -> Sequence[RunView]:
    """Return the lane's running and waiting runs in the order of their turn."""
    query = (
        select(runs)
        .where(runs.c.lane == lane, text("state IN ('queued', 'running')"))
        .order_by(runs.c.state.desc(), runs.c.queued_at, runs.c.id)
    )
    return sorted((_view(row) for row in conn.execute(query)), key=_turn)


def _turn(run: RunView) -> int:
    """Return the rank of an unfinished run: the one at work, those that interrupted it, then the others."""
    if run.state is RunState.RUNNING:
        return 0
    return 1 if run.options.busy == BusyMode.INTERRUPT else 2


def recent_runs(
    conn: Connection, *, lane: str | None = None, state: str | None = None, limit: int = 50, offset: int = 0
) -> Sequence[RunView]:
    """Return runs, newest first."""
    query = select(runs).order_by(runs.c.queued_at.desc(), runs.c.id.desc()).limit(limit).offset(offset)
    if lane is not None:
        query = query.where(runs.c.lane == lane)
    if state is not None:
        query = query.where(runs.c.state == state)
    return [_view(row) for row in conn.execute(query)]


def last_ended(conn: Connection, lane: str) -> RunView | None:
    """Return the lane's newest run that has an end of its own, looked for among its last twenty."""
    recent = recent_runs(conn, lane=lane, limit=20)
    ended = (run for run in recent if run.state.is_final and run.state is not RunState.JOINED)
    return next(ended, None)


def run_of_message(conn: Connection, lane: str, message_id: int) -> RunView | None:
    """Return the newest run that a chat message asked for."""
    query = (
        select(runs)
        .where(runs.c.lane == lane, runs.c.source_message_id == message_id)
        .order_by(runs.c.queued_at.desc())
        .limit(1)
    )
    row = conn.execute(query).first()
    return None if row is None else _view(row)


def count_ahead(conn: Connection, lane: str, *, interrupts: bool = False) -> int:
    """Return how many runs of the lane come before a new one; one that interrupts goes before most."""
    return int((_COUNT_FIRST if interrupts else _COUNT_UNFINISHED).value(conn, lane=lane))


def cancel_wanted(conn: Connection, run_id: str) -> bool:
    """Tell whether a person asked to stop the run."""
    return _CANCEL_WANTED.value(conn, run_id=run_id) is not None


def reword_waiting(conn: Connection, run_id: str, prompt: str) -> bool:
    """Replace the prompt of a run that has not begun; False when it has."""
    done = conn.execute(
        update(runs)
        .where(
            runs.c.id == run_id,
            runs.c.state == RunState.QUEUED,
            runs.c.started_at.is_(None),
            func.coalesce(runs.c.options, "").not_like('%"handed"%'),
        )
        .values(prompt=prompt)
    )
    return bool(done.rowcount)


def _view(row: Row[Any]) -> RunView:
    usage = msgspec.json.decode(row.usage) if row.usage else None
    return RunView(
        id=row.id,
        request_id=row.request_id,
        conversation_id=row.conversation_id,
        lane=row.lane,
        source=row.source,
        prompt=row.prompt,
        backend=row.backend,
        state=RunState(row.state),
        reason=row.reason,
        output=row.output,
        exit_code=row.exit_code,
        usage=usage,
        event_count=row.event_count,
        interruptions=row.interruptions,
        source_message_id=row.source_message_id,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        error=row.error,
        mode=RunMode(row.mode),
        options=read_options(row.options),
        report=read_report(row.report),
        joined_run_id=row.joined_run_id,
        epoch=row.epoch,
        is_stopping=row.cancel_requested_at is not None,
    )
