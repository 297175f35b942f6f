"""Reads what there is to tell of a time: a chat's own requests, the board, agents, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.clock import to_ms
from wireroom.digest.words import Calls, Ended, Figures
from wireroom.runs.options import read_report
from wireroom.runs.states import RunState
from wireroom.store.statement import Row, Statement

_ASKED_BEFORE = timedelta(days=7)
"""How long before the time a run that ended in it may have been asked for; keeps the index walk short."""

_OF_LANE = Statement("""
    SELECT state, prompt, reason, usage, report, started_at, finished_at FROM runs
    WHERE lane = :lane AND queued_at > :asked_ms AND queued_at <= :until_ms
        AND finished_at > :since_ms AND finished_at <= :until_ms
    ORDER BY queued_at
""")
"""Requests of a chat that ended in the time."""

_OF_OTHERS = Statement("""
    SELECT state, prompt, reason, usage, report, started_at, finished_at, source FROM runs
    WHERE queued_at > :asked_ms AND queued_at <= :until_ms
        AND finished_at > :since_ms AND finished_at <= :until_ms AND source IN ('board', 'agent')
    ORDER BY queued_at
""")
"""Tasks and agents' prompts that ended in the time."""

_CALLS = Statement("""
    SELECT agents.name, SUM(CASE WHEN agent_calls.state = 'succeeded' THEN 1 ELSE 0 END),
        SUM(CASE WHEN agent_calls.state = 'dead' THEN 1 ELSE 0 END)
    FROM agent_calls CROSS JOIN agents
    WHERE agents.id = agent_calls.agent_id AND agent_calls.state IN ('succeeded', 'dead')
        AND agent_calls.finished_at > :since_ms AND agent_calls.finished_at <= :until_ms
    GROUP BY agents.name ORDER BY agents.name
""")
"""How often each agent called in the time; the CROSS keeps SQLite from walking all agents instead."""

_QUESTIONS = Statement("""
    SELECT count(*) FROM permissions JOIN runs ON runs.id = permissions.run_id
    WHERE permissions.state = 'asked' AND runs.lane = :lane
""")
"""How many agents of the chat wait for a permission."""

_GIVEN_UP = Statement("SELECT count(*) FROM task_details WHERE is_dead = 1")
"""How many tasks wait for somebody to look at them."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def gather(conn: Connection, lane: str, since: datetime, until: datetime) -> Figures:
    """Return what there is to tell of (since, until] to one chat."""
    span = {
        "asked_ms": to_ms(since - _ASKED_BEFORE),
        "since_ms": to_ms(since),
        "until_ms": to_ms(until),
    }
    others = _OF_OTHERS.rows(conn, **span)
    return Figures(
        since,
        until,
        chat=[_ended(row) for row in _OF_LANE.rows(conn, lane=lane, **span)],
        board=[_ended(row) for row in others if row[-1] == "board"],
        others=[_ended(row) for row in others if row[-1] == "agent"],
        calls=_calls(conn, span["since_ms"], span["until_ms"]),
        questions=int(_QUESTIONS.value(conn, lane=lane) or 0),
        given_up=int(_GIVEN_UP.value(conn) or 0),
    )


def _calls(conn: Connection, since_ms: int, until_ms: int) -> Sequence[Calls]:
    rows = _CALLS.rows(conn, since_ms=since_ms, until_ms=until_ms)
    return [Calls(str(name), int(succeeded), int(dead)) for name, succeeded, dead in rows]


def _ended(row: Row) -> Ended:
    state, prompt, reason, usage, stored, started_at, finished_at = row[:7]
    report = read_report(stored)
    diff = report.diff or {}
    return Ended(
        RunState(state),
        prompt,
        reason=reason,
        worked_ms=finished_at - started_at if started_at else 0,
        cost_usd=_decode(usage).get("cost_usd") if usage else None,
        files=diff.get("files") or 0,
        commits=diff.get("commits") or 0,
        branch=report.branch,
    )
