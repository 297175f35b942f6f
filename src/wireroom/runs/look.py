"""Reads for people who look for runs: by origin, agent and words, in bounded pieces; and one run's attempts.

Neighbours: `summaries` has the plain list for programs, `queries` one run whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, true, tuple_

from wireroom.conversations.topics import names_of_lanes
from wireroom.runs.states import RunState
from wireroom.store.schema import agent_calls, run_attempts, runs, task_attempts

EXCERPT_CHARS = 300
MOST_LOOKED_AT = 2_000
"""Runs that one look reads; words in prompts have no index."""
MOST_ATTEMPTS = 100
Place = tuple[int, str]
"""Where a run stands in the list: when it was queued, and its id."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are looked for; None and empty mean any."""

    state: RunState | None = None
    source: str | None = None
    backend: str | None = None
    words: str | None = None
    """Part of the prompt, or the beginning of an id; case counts for letters beyond ASCII only."""
    ids: Sequence[str] = ()

    @property
    def needs_a_search(self) -> bool:
        """True when no index picks what fits."""
        return bool(self.source or self.backend or self.words)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run in the list."""

    id: str
    conversation_id: str
    lane: str
    source: str
    prompt_excerpt: str
    backend: str
    mode: str
    state: RunState
    reason: str | None
    event_count: int
    stopping: bool
    usage: dict[str, Any] | None
    queued_at: int
    started_at: int | None
    finished_at: int | None
    agent_name: str | None
    """The scheduled agent whose call it is."""
    topic: str | None
    """The name of the chat's topic that it was asked in."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look found."""

    lines: Sequence[RunLine]
    """Newest first."""
    next_place: Place | None
    """Where to look on; None when everything was looked at."""


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try at a run."""

    number: int
    state: str
    reason: str | None
    exit_code: int | None
    started_at: int
    finished_at: int | None


def look_for_runs(conn: Connection, wanted: Wanted, limit: int, after: Place | None = None) -> Looked:
    """Return the newest runs that are wanted, behind a place.

    At most `limit` of them, of at most `MOST_LOOKED_AT`: a look that finds few may have more behind it.
    """
    most = MOST_LOOKED_AT if wanted.needs_a_search else limit + 1
    looked_at = _in_order(wanted, after).limit(most)
    near = looked_at.subquery()
    agent = select(agent_calls.c.agent_name).where(agent_calls.c.run_id == near.c.id).limit(1)
    query = select(near, agent.scalar_subquery().label("agent_name")).where(near.c.fits)
    found = conn.execute(query.order_by(near.c.queued_at.desc(), near.c.id.desc()).limit(limit + 1)).all()
    names = names_of_lanes(conn, {row.lane for row in found[:limit]})
    lines = [_line(row, names.get(row.lane)) for row in found[:limit]]
    if len(found) > limit:
        return Looked(lines, (lines[-1].queued_at, lines[-1].id))
    if not wanted.needs_a_search:
        return Looked(lines, None)
    edge = conn.execute(
        looked_at.with_only_columns(runs.c.queued_at, runs.c.id).limit(1).offset(MOST_LOOKED_AT - 1)
    ).first()
    return Looked(lines, None if edge is None else (edge.queued_at, edge.id))


def read_attempts(conn: Connection, run_id: str) -> Sequence[AttemptView]:
    """Return the newest attempts of a run, oldest first, at most `MOST_ATTEMPTS`."""
    query = select(run_attempts).where(run_attempts.c.run_id == run_id)
    rows = conn.execute(query.order_by(run_attempts.c.epoch.desc()).limit(MOST_ATTEMPTS)).all()
    return [
        AttemptView(row.epoch, row.state, row.reason, row.exit_code, row.started_at, row.finished_at)
        for row in reversed(rows)
    ]


def task_of_request(conn: Connection, request_id: str) -> int | None:
    """Return the number of the task whose attempt has this request id, None if none has."""
    query = select(task_attempts.c.task_id).where(task_attempts.c.request_id == request_id).limit(1)
    return conn.execute(query).scalar_one_or_none()


def folder_of_run(conn: Connection, run_id: str) -> str | None:
    """Return the folder that a run works in, other than a worktree of its own; None for no such run."""
    return conn.execute(select(runs.c.workdir).where(runs.c.id == run_id)).scalar_one_or_none()


def _in_order(wanted: Wanted, after: Place | None) -> Select[Any]:
    """Return the runs that an index can pick, newest first, each with whether it fits the rest."""
    query = select(
        runs.c.id,
        runs.c.conversation_id,
        runs.c.lane,
        runs.c.source,
        func.substr(runs.c.prompt, 1, EXCERPT_CHARS).label("prompt_excerpt"),
        runs.c.backend,
        runs.c.mode,
        runs.c.state,
        runs.c.reason,
        runs.c.event_count,
        runs.c.cancel_requested_at,
        runs.c.usage,
        runs.c.queued_at,
        runs.c.started_at,
        runs.c.finished_at,
        _fits(wanted).label("fits"),
    )
    if wanted.state:
        query = query.where(runs.c.state == wanted.state)
    if wanted.ids:
        query = query.where(runs.c.id.in_(wanted.ids))
    if after is not None:
        query = query.where(tuple_(runs.c.queued_at, runs.c.id) < after)
    return query.order_by(runs.c.queued_at.desc(), runs.c.id.desc())


def _fits(wanted: Wanted) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [true()]
    if wanted.source:
        conditions.append(runs.c.source == wanted.source)
    if wanted.backend:
        conditions.append(runs.c.backend == wanted.backend)
    if wanted.words:
        is_said = runs.c.prompt.icontains(wanted.words, autoescape=True)
        named = (runs.c.id, runs.c.request_id, runs.c.conversation_id)
        conditions.append(or_(is_said, *(name.startswith(wanted.words, autoescape=True) for name in named)))
    return and_(*conditions)


def _line(row: Row[Any], topic: str | None) -> RunLine:
    state = RunState(row.state)
    return RunLine(
        id=row.id,
        conversation_id=row.conversation_id,
        lane=row.lane,
        source=row.source,
        prompt_excerpt=row.prompt_excerpt,
        backend=row.backend,
        mode=row.mode,
        state=state,
        reason=row.reason,
        event_count=row.event_count,
        stopping=row.cancel_requested_at is not None and not state.is_final,
        usage=msgspec.json.decode(row.usage) if row.usage else None,
        queued_at=row.queued_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        agent_name=row.agent_name,
        topic=topic,
    )


def backends_in_use(conn: Connection) -> Sequence[str]:
    """Return the coding agents of the newest runs, sorted: what a person may filter by."""
    newest = select(runs.c.backend).order_by(runs.c.queued_at.desc()).limit(MOST_LOOKED_AT).subquery()
    query = select(newest.c.backend).group_by(newest.c.backend).order_by(func.lower(newest.c.backend))
    return [name for (name,) in conn.execute(query)]
