"""The page's view of runs: rows of the database turned into what the chat shows.

The rows are read here in one snapshot; answers are rendered off the event loop, since a long one takes
milliseconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select, text

from wireroom.api.answer_html import render_answer
from wireroom.api.bodies import iso, iso_or_none
from wireroom.api.chat_bodies import ChatRunBody
from wireroom.api.chat_cursor import OVERLAP_MS, Cursor, Standing, first_cursor
from wireroom.conversations.summaries import ConversationSummary
from wireroom.runs.states import RunState
from wireroom.store.schema import runs

SHOWN_CHARS = 20_000
"""Of a question and of an answer; the rest is left to `GET /api/runs/{id}`."""

_EXPLAINED = frozenset({RunState.FAILED, RunState.TIMED_OUT, RunState.EXHAUSTED, RunState.INTERRUPTED})
# Spelt out as in the partial index: SQLite cannot match bound values to it.
_UNFINISHED = text("runs.state IN ('queued', 'running')")
_SHOWN = (
    runs.c.id,
    runs.c.request_id,
    runs.c.conversation_id,
    func.substr(runs.c.prompt, 1, SHOWN_CHARS + 1).label("prompt"),
    runs.c.backend,
    runs.c.state,
    runs.c.reason,
    func.substr(runs.c.output, 1, SHOWN_CHARS + 1).label("output"),
    runs.c.exit_code,
    runs.c.usage,
    # Not the report itself, which holds the whole patch.
    func.coalesce(runs.c.report, "").like('%"patch":"diff%').label("changed_files"),
    runs.c.event_count,
    runs.c.cancel_requested_at,
    runs.c.queued_at,
    runs.c.started_at,
    runs.c.finished_at,
)


ChatRow = Row[*tuple[Any, ...]]
"""A run's columns that the chat shows."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A run of the lane as the live stream compares it."""

    standing: Standing
    face: tuple[str, bool, int]
    """State, whether it is being stopped, its place: what the page must be told anew when it changes."""


def conversation_rows(conn: Connection, conversation_id: str, limit: int) -> Sequence[ChatRow]:
    """Return the newest runs of a conversation, oldest first, without more of an output than is shown."""
    query = select(*_SHOWN).where(runs.c.conversation_id == conversation_id)
    newest = query.order_by(runs.c.queued_at.desc(), runs.c.id.desc()).limit(limit)
    return list(reversed(conn.execute(newest).all()))


def rows_of(conn: Connection, run_ids: Collection[str]) -> Sequence[ChatRow]:
    """Return these runs in the order of their turn."""
    if not run_ids:
        return []
    query = select(*_SHOWN).where(runs.c.id.in_(run_ids))
    return conn.execute(query.order_by(runs.c.queued_at, runs.c.id)).all()


def places(conn: Connection, lane: str) -> dict[str, int]:
    """Return how many requests of the lane come before each of its unfinished ones."""
    query = select(runs.c.id).where(runs.c.lane == lane, _UNFINISHED)
    turn = query.order_by(runs.c.state.desc(), runs.c.queued_at, runs.c.id)
    return {run_id: place for place, run_id in enumerate(conn.execute(turn).scalars())}


def watch_start(conn: Connection, lane: str) -> int:
    """Return the time from which a new reader must watch the lane: before its open and its newest runs."""
    of_lane = select(func.max(runs.c.queued_at)).where(runs.c.lane == lane)
    open_runs = select(func.min(runs.c.queued_at)).where(runs.c.lane == lane, _UNFINISHED)
    newest: int | None = conn.execute(of_lane).scalar_one()
    oldest_open: int | None = conn.execute(open_runs).scalar_one()
    times = [time for time in (newest, oldest_open) if time is not None]
    return max(0, min(times) - OVERLAP_MS) if times else 0


def watched_runs(conn: Connection, lane: str, since_ms: int, ahead: Mapping[str, int]) -> Sequence[Watched]:
    """Return the lane's runs from a time on, in the order of their turn; `ahead` as `places` gives it."""
    query = (
        select(runs.c.id, runs.c.queued_at, runs.c.event_count, runs.c.state, runs.c.cancel_requested_at)
        .where(runs.c.lane == lane, runs.c.queued_at >= since_ms)
        .order_by(runs.c.queued_at, runs.c.id)
    )
    return [
        Watched(
            Standing(row.id, row.queued_at, row.event_count, RunState(row.state).is_final),
            (row.state, row.cancel_requested_at is not None, ahead.get(row.id, 0)),
        )
        for row in conn.execute(query)
    ]


@dataclass(frozen=True, slots=True)
class ChatSnapshot:
    """A conversation as it stood at one moment, and where the live stream goes on from there."""

    conversation: ConversationSummary | None
    rows: Sequence[ChatRow]
    earlier: bool
    ahead: Mapping[str, int]
    cursor: Cursor


def read_chat(
    conn: Connection, lane: str, conversation: ConversationSummary | None, limit: int
) -> ChatSnapshot:
    """Read the newest `limit` runs of a conversation of the lane."""
    ahead = places(conn, lane)
    rows = conversation_rows(conn, conversation.id, limit + 1) if conversation else []
    watched = watched_runs(conn, lane, watch_start(conn, lane), ahead)
    return ChatSnapshot(
        conversation=conversation,
        rows=rows[-limit:],
        earlier=len(rows) > limit,
        ahead=ahead,
        cursor=first_cursor([one.standing for one in watched]),
    )


async def chat_runs(rows: Sequence[ChatRow], ahead: Mapping[str, int]) -> list[ChatRunBody]:
    """Return the rows as the page shows them."""
    return await asyncio.to_thread(lambda: [_body(row, ahead.get(row.id, 0)) for row in rows])


def _body(row: ChatRow, place: int) -> ChatRunBody:
    state = RunState(row.state)
    output = row.output or ""
    return ChatRunBody(
        id=row.id,
        request_id=row.request_id,
        conversation_id=row.conversation_id,
        prompt=row.prompt[:SHOWN_CHARS],
        prompt_cut=len(row.prompt) > SHOWN_CHARS,
        backend=row.backend,
        state=state.value,
        reason=row.reason,
        stopping=row.cancel_requested_at is not None and not state.is_final,
        place=place,
        reason_html=render_answer(row.reason) if state in _EXPLAINED and row.reason else None,
        answer_html=render_answer(output[:SHOWN_CHARS]) if state.is_final else None,
        answer_cut=state.is_final and len(output) > SHOWN_CHARS,
        usage=msgspec.json.decode(row.usage) if row.usage else None,
        changed_files=bool(row.changed_files),
        event_count=row.event_count,
        queued_at=iso(row.queued_at),
        started_at=iso_or_none(row.started_at),
        finished_at=iso_or_none(row.finished_at),
    )
