"""Agents as a list for people: what each does next, how it stands, what it did last.

A page of agents takes three statements, however many agents it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby, islice

from sqlalchemy import Connection, bindparam, text

from wireroom.agents.agent import Agent
from wireroom.agents.schedule import Schedule
from wireroom.agents.schedule_words import in_words
from wireroom.clock import from_ms, to_ms
from wireroom.store.statement import Statement

NEXT_SHOWN = 3
"""Next times that are told of an agent."""
MOST_FAILURES = 20
"""Ended calls that are looked at; more failures in a row are not counted."""

_ROWS = """
    SELECT a.id, a.name, a.action, a.request, a.queue, a.schedule, a.timezone, a.overlap, a.missed, a.retry,
           a.paused, a.revision, a.next_at, a.created_at, a.updated_at
    FROM agents AS a
"""
_CONDITIONS = {"scheduled": "a.schedule IS NOT NULL", "once": "a.schedule IS NULL", "all": "a.id > 0"}
_SEARCHED = "lower(a.name) LIKE :pattern ESCAPE '!'"
_PAGES = {
    kind: text(f"{_ROWS} WHERE a.name > :after AND {condition} AND {_SEARCHED} ORDER BY a.name LIMIT :limit")
    for kind, condition in _CONDITIONS.items()
}
"""Agents of a kind by name, in the order of their names' index."""

_ONE = Statement(f"{_ROWS} WHERE a.name = :name")
"""One agent."""

_OPEN = text("""
    SELECT agent_id, sum(CASE WHEN state = 'running' THEN 1 ELSE 0 END),
           sum(CASE WHEN state = 'waiting' THEN 1 ELSE 0 END),
           min(CASE WHEN state = 'waiting' THEN due_at END)
    FROM agent_calls WHERE agent_id IN :ids AND state IN ('waiting', 'running')
    GROUP BY agent_id
""").bindparams(bindparam("ids", expanding=True))
"""What some agents are doing."""

_ENDED = text("""
    SELECT c.agent_id, c.id, c.state, c.finished_at, c.duration_ms, c.status_code, c.error, c.run_id
    FROM agents AS a JOIN agent_calls AS c ON c.id IN (
        SELECT t.id FROM agent_calls AS t WHERE t.agent_id = a.id AND t.state IN ('succeeded', 'dead')
        ORDER BY t.finished_at DESC LIMIT :most)
    WHERE a.id IN :ids
    ORDER BY c.agent_id, c.finished_at DESC, c.id DESC
""").bindparams(bindparam("ids", expanding=True))
"""The last calls of some agents that have ended, newest first."""


class AgentKind(StrEnum):
    """Which agents a list shows."""

    SCHEDULED = "scheduled"
    ONCE = "once"
    ALL = "all"


class AgentState(StrEnum):
    """How an agent stands."""

    ACTIVE = "active"
    """Its schedule goes on."""
    PAUSED = "paused"
    WAITING = "waiting"
    """A one-time agent whose call is still to be made, or is being made."""
    DONE = "done"
    """Its schedule, or its only call, is over."""


@dataclass(frozen=True, slots=True)
class LastCall:
    """The call of an agent that ended last."""

    id: int
    state: str
    """succeeded or dead."""
    finished_at: int
    duration_ms: int | None
    status_code: int | None
    error: str | None
    run_id: str | None


@dataclass(slots=True)
class Overview:
    """An agent as a line of the list."""

    agent: Agent
    words: str | None
    """Its schedule in words; None for a one-time agent."""
    next: Sequence[int]
    """When it is due next, ascending, at most `NEXT_SHOWN`."""
    running: int = 0
    waiting: int = 0
    failures: int = 0
    """Calls that failed in a row up to now, at most `MOST_FAILURES`."""
    last: LastCall | None = field(default=None)

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def state(self) -> AgentState:
        """How it stands."""
        if self.agent.schedule_json is None:
            return AgentState.WAITING if self.running or self.waiting else AgentState.DONE
        if self.agent.paused:
            return AgentState.PAUSED
        return AgentState.DONE if self.agent.next_at is None else AgentState.ACTIVE


def list_overviews(
    conn: Connection, *, kind: AgentKind, search: str = "", limit: int, after: str = ""
) -> Sequence[Overview]:
    """Return agents of a kind by name, from behind `after`, whose names contain the searched text."""
    values = {"after": after, "limit": limit, "pattern": _pattern(search)}
    return _overviews(conn, [Agent(*row) for row in conn.execute(_PAGES[kind.value], values)])


def show_overview(conn: Connection, name: str) -> Overview | None:
    """Return one agent, None when there is none of this name."""
    row = _ONE.row(conn, name=name)
    return None if row is None else _overviews(conn, [Agent(*row)])[0]


def next_times(schedule: Schedule, from_at_ms: int, count: int = NEXT_SHOWN) -> list[int]:
    """Return the first slots at that time or later. Pure."""
    return [to_ms(slot) for slot in islice(schedule.after(from_ms(from_at_ms - 1)), count)]


def _overviews(conn: Connection, agents: Sequence[Agent]) -> Sequence[Overview]:
    found = {agent.id: _begun(agent) for agent in agents}
    if not found:
        return []
    for agent_id, running, waiting, due_at in conn.execute(_OPEN, {"ids": [*found]}):
        view = found[agent_id]
        view.running, view.waiting = int(running), int(waiting)
        if view.agent.schedule_json is None and due_at is not None:
            view.next = [due_at]
    for agent_id, last, failures in _ends(conn, [*found]):
        found[agent_id].last, found[agent_id].failures = last, failures
    return [*found.values()]


def _begun(agent: Agent) -> Overview:
    schedule = agent.schedule
    if schedule is None:
        return Overview(agent, None, [])
    is_due = agent.next_at is not None and not agent.paused
    return Overview(agent, in_words(schedule), next_times(schedule, agent.next_at or 0) if is_due else [])


def _ends(conn: Connection, ids: Sequence[int]) -> Sequence[tuple[int, LastCall, int]]:
    rows = conn.execute(_ENDED, {"ids": ids, "most": MOST_FAILURES})
    found = []
    for agent_id, group in groupby(rows, key=lambda row: int(row[0])):
        calls = [LastCall(*row[1:]) for row in group]
        states = [call.state for call in calls]
        found.append((agent_id, calls[0], [*states, "succeeded"].index("succeeded")))
    return found


def _pattern(search: str) -> str:
    escapes: Mapping[str, str] = {"!": "!!", "%": "!%", "_": "!_"}
    return "%" + "".join(escapes.get(letter, letter) for letter in search.lower()) + "%"
