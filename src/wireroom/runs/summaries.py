"""Lists of runs for people and programs: pages of summaries, never whole outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select, tuple_

from wireroom.runs.states import RunMode, RunState
from wireroom.store.schema import runs

EXCERPT_CHARS = 200


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run without its output and with the beginning of its prompt."""

    id: str
    request_id: str
    conversation_id: str
    lane: str
    source: str
    prompt_excerpt: str
    """At most `EXCERPT_CHARS` characters."""
    backend: str
    mode: RunMode
    state: RunState
    reason: str | None
    exit_code: int | None
    event_count: int
    queued_at: int
    started_at: int | None
    finished_at: int | None


def list_summaries(
    conn: Connection,
    *,
    lane: str | None,
    state: str | None,
    limit: int,
    offset: int = 0,
    after: tuple[int, str] | None = None,
) -> Sequence[RunSummary]:
    """Return one page of runs, newest first; with `after`, those behind the run of this time and id."""
    query = (
        select(
            runs.c.id,
            runs.c.request_id,
            runs.c.conversation_id,
            runs.c.lane,
            runs.c.source,
            func.substr(runs.c.prompt, 1, EXCERPT_CHARS).label("prompt_excerpt"),
            runs.c.backend,
            runs.c.mode,
            runs.c.state,
            runs.c.reason,
            runs.c.exit_code,
            runs.c.event_count,
            runs.c.queued_at,
            runs.c.started_at,
            runs.c.finished_at,
        )
        .where(*_matching(lane, state), *_behind(after))
        .order_by(runs.c.queued_at.desc(), runs.c.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [_summary(row) for row in conn.execute(query)]


def count_runs(conn: Connection, *, lane: str | None, state: str | None) -> int:
    """Return how many runs the whole list has."""
    query = select(func.count()).select_from(runs).where(*_matching(lane, state))
    total: int = conn.execute(query).scalar_one()
    return total


def _matching(lane: str | None, state: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if lane is not None:
        conditions.append(runs.c.lane == lane)
    if state is not None:
        conditions.append(runs.c.state == state)
    return conditions


def _behind(after: tuple[int, str] | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [tuple_(runs.c.queued_at, runs.c.id) < after]


def _summary(row: Row[*tuple[Any, ...]]) -> RunSummary:
    return RunSummary(
        id=row.id,
        request_id=row.request_id,
        conversation_id=row.conversation_id,
        lane=row.lane,
        source=row.source,
        prompt_excerpt=row.prompt_excerpt,
        backend=row.backend,
        mode=RunMode(row.mode),
        state=RunState(row.state),
        reason=row.reason,
        exit_code=row.exit_code,
        event_count=row.event_count,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )
