"""Queues in figures, for people: what waits and since when, what is done and how fast, what is at the head.

All queues take five statements, however many there are; one queue takes those and two more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

from wireroom.agents.definition import DEFAULT_QUEUE

RATE_WINDOW_MS = 300_000
"""The window of the rates."""
HEAD_SHOWN = 20
"""Calls at a queue's head that are told."""
AGENTS_SHOWN = 100
"""Names of agents that are told of a queue."""
_OVER = ("succeeded", "dead", "skipped", "cancelled")


def _both(sql: str) -> Mapping[bool, TextClause]:
    """Return the statement for all queues, and (True) for the one that is named."""
    return {
        False: text(sql.format(of_one="", where="")),
        True: text(sql.format(of_one="AND queue = :name", where="WHERE queue = :name")),
    }


_QUEUES = text("SELECT name, paused, concurrency, kept FROM queues ORDER BY name")
"""The queues."""

_STATES = _both("SELECT queue, state, count(*) FROM agent_calls {where} GROUP BY queue, state")
"""Calls by queue and state, from the index alone."""

_WAITING = _both("""
    SELECT queue, sum(CASE WHEN due_at > :now_ms THEN 1 ELSE 0 END),
           sum(CASE WHEN attempts > 0 THEN 1 ELSE 0 END),
           min(CASE WHEN due_at <= :now_ms THEN due_at END)
    FROM agent_calls WHERE state = 'waiting' {of_one} GROUP BY queue
""")
"""Of the waiting calls: those to be made later, those that have failed before, the longest due."""

_ENDED = _both("""
    SELECT queue, sum(CASE WHEN state = 'succeeded' THEN 1 ELSE 0 END),
           sum(CASE WHEN state = 'dead' THEN 1 ELSE 0 END)
    FROM agent_calls WHERE finished_at >= :since_ms {of_one} GROUP BY queue
""")
"""What ended lately, by the index of ends."""

_AGENTS = _both("SELECT queue, count(*) FROM agents {where} GROUP BY queue")
"""How many agents use a queue."""

_AGENT_NAMES = text("SELECT name FROM agents WHERE queue = :name ORDER BY name LIMIT :most")
"""Which agents use a queue."""

_HEAD = """
    SELECT id, agent_name, action, state, due_at, attempts, catch_up, reason, error, run_id, started_at
    FROM agent_calls
"""
_AT_WORK = text(f"""
    {_HEAD} WHERE state = 'running' AND catch_up IN (0, 1) AND queue = :name LIMIT :most
""")
"""Calls of a queue that are being made."""

_NEXT = text(f"""
    {_HEAD} WHERE state = 'waiting' AND queue = :name ORDER BY queue, catch_up, due_at, id LIMIT :most
""")
"""The calls of a queue that are admitted next, in that order."""


@dataclass(slots=True)
class QueueFigures:
    """A queue in figures."""

    name: str
    is_paused: bool = False
    own_concurrency: int | None = None
    """Calls at once; None: as the installation's setting says."""
    is_kept: bool = False
    """Made on purpose, so it stays when its last agent goes."""
    waiting: int = 0
    """Due, and not begun."""
    delayed: int = 0
    """To be made later."""
    retrying: int = 0
    """Of those that wait: failed before, and tried again."""
    active: int = 0
    succeeded: int = 0
    dead: int = 0
    skipped: int = 0
    cancelled: int = 0
    oldest_due_at: int | None = None
    """Since when the longest waiting call is due; None when none is."""
    succeeded_lately: int = 0
    """Ended well within `RATE_WINDOW_MS`."""
    dead_lately: int = 0
    agents: int = 0
    """How many agents use it."""

    @property
    def over(self) -> int:
        """Calls that are over, which a purge forgets."""
        return self.succeeded + self.dead + self.skipped + self.cancelled


@dataclass(frozen=True, slots=True)
class HeadCall:
    """A call at the head of a queue."""

    id: int
    agent_name: str
    action: str
    state: str
    """running or waiting."""
    due_at: int
    attempts: int
    catch_up: int
    reason: str | None
    error: str | None
    run_id: str | None
    started_at: int | None


def list_figures(conn: Connection, now_ms: int, name: str | None = None) -> Sequence[QueueFigures]:
    """Return all queues by name, the default one always; or the one that is named, if there is such."""
    found = {
        row[0]: QueueFigures(row[0], bool(row[1]), row[2], bool(row[3])) for row in conn.execute(_QUEUES)
    }
    found.setdefault(DEFAULT_QUEUE, QueueFigures(DEFAULT_QUEUE))
    if name is not None:
        found = {name: found[name]} if name in found else {}
    values = {"now_ms": now_ms, "since_ms": now_ms - RATE_WINDOW_MS, "name": name}
    of_one = name is not None
    rows = (
        [tuple(row) for row in conn.execute(both[of_one], values)]
        for both in (_STATES, _WAITING, _ENDED, _AGENTS)
    )
    _fill(found, *rows)
    return [found[each] for each in sorted(found)]


def agents_of(conn: Connection, name: str) -> Sequence[str]:
    """Return the names of the agents that use the queue, at most `AGENTS_SHOWN`."""
    return conn.execute(_AGENT_NAMES, {"name": name, "most": AGENTS_SHOWN}).scalars().all()


def head_of(conn: Connection, name: str) -> Sequence[HeadCall]:
    """Return the calls that are being made and those that come next, at most `HEAD_SHOWN` of each."""
    values = {"name": name, "most": HEAD_SHOWN}
    at_work = sorted((HeadCall(*row) for row in conn.execute(_AT_WORK, values)), key=lambda call: call.id)
    return [*at_work, *(HeadCall(*row) for row in conn.execute(_NEXT, values))]


def _fill(
    found: Mapping[str, QueueFigures],
    states: Iterable[tuple[Any, ...]],
    waiting: Iterable[tuple[Any, ...]],
    ended: Iterable[tuple[Any, ...]],
    agents: Iterable[tuple[Any, ...]],
) -> None:
    """Put the figures in their places; calls of a queue that was deleted since are nobody's."""
    for queue, state, number in states:
        if (view := found.get(queue)) is not None:
            name = "active" if state == "running" else state
            setattr(view, name, number)
    for queue, delayed, retrying, oldest_due_at in waiting:
        if (view := found.get(queue)) is not None:
            view.delayed, view.retrying, view.oldest_due_at = int(delayed), int(retrying), oldest_due_at
            view.waiting -= view.delayed
    for queue, succeeded, dead in ended:
        if (view := found.get(queue)) is not None:
            view.succeeded_lately, view.dead_lately = int(succeeded), int(dead)
    for queue, number in agents:
        if (view := found.get(queue)) is not None:
            view.agents = number
