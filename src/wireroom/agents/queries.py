"""Reads of agents and their calls, for people and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from wireroom.agents.agent import Agent
from wireroom.agents.calls import CallState
from wireroom.store.statement import Row, Statement

_AGENT = """
    SELECT a.id, a.name, a.action, a.request, a.queue, a.schedule, a.timezone, a.overlap, a.missed, a.retry,
           a.paused, a.revision, a.next_at, a.created_at, a.updated_at,
           (SELECT max(c.finished_at) FROM agent_calls AS c
            WHERE c.agent_id = a.id AND c.state IN ('succeeded', 'dead')),
           (SELECT max(c.id) FROM agent_calls AS c WHERE c.agent_id = a.id),
           (SELECT count(*) FROM agent_calls AS c
            WHERE c.agent_id = a.id AND c.state IN ('waiting', 'running') AND c.state = 'running'),
           (SELECT count(*) FROM agent_calls AS c
            WHERE c.agent_id = a.id AND c.state IN ('waiting', 'running') AND c.state = 'waiting')
    FROM agents AS a
"""
_ONE = Statement(f"{_AGENT} WHERE a.name = :name")
"""An agent with what it does now and did last."""

_PAGE = text(f"{_AGENT} ORDER BY a.name LIMIT :limit OFFSET :offset")
_PAGE_AFTER = text(f"{_AGENT} WHERE a.name > :after ORDER BY a.name LIMIT :limit")
"""Agents by name."""

_COUNT = text("SELECT count(*) FROM agents")
"""How many agents there are."""

CALL_COLUMNS = """
    id, agent_id, agent_name, queue, action, slot_at, slots, slot_until, due_at, state, reason, catch_up,
    again, attempts, status_code, duration_ms, error, response_head, run_id, created_at, started_at,
    finished_at
"""
"""What a `CallView` is made of, in its order."""

_CALL = f"SELECT {CALL_COLUMNS} FROM agent_calls"
_CALLS = Statement(f"{_CALL} WHERE agent_id = :agent_id AND id < :before ORDER BY id DESC LIMIT :limit")
"""Calls of an agent, newest first."""

_ONE_CALL = Statement(f"{_CALL} WHERE id = :id")
"""One call."""

_BY_STATE = Statement(
    f"{_CALL} WHERE queue = :queue AND state = :state AND id < :before ORDER BY id DESC LIMIT :limit"
)
"""Calls of a queue in one state, newest first."""

NEWEST = 2**62
"""Later than every call: the beginning of a list."""


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent, what it does now and did last."""

    agent: Agent
    last_finished_at: int | None
    """When a call of it last came to an end."""
    last_call_id: int | None
    running: int
    waiting: int

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.agent.name

    @property
    def is_active(self) -> bool:
        """Whether its schedule goes on; for a one-time agent, whether it is at work at this moment."""
        if self.agent.schedule_json is not None:
            return not self.agent.paused and self.agent.next_at is not None
        return self.running > 0


@dataclass(frozen=True, slots=True)
class CallView:
    """A call in an agent's history."""

    id: int
    agent_id: int
    agent_name: str
    queue: str
    action: str
    slot_at: int | None
    slots: int
    slot_until: int | None
    due_at: int
    state: str
    """See `calls.CallState`."""
    reason: str | None
    catch_up: int
    again: int
    attempts: int
    status_code: int | None
    duration_ms: int | None
    error: str | None
    response_head: str | None
    run_id: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None


def show_agent(conn: Connection, name: str) -> AgentView | None:
    """Return one agent, None when there is none of this name."""
    row = _ONE.row(conn, name=name)
    return None if row is None else _agent(row)


def list_agents(
    conn: Connection, *, limit: int, offset: int = 0, after: str | None = None
) -> Sequence[AgentView]:
    """Return agents by name; with `after`, those behind that name."""
    if after is None:
        rows = conn.execute(_PAGE, {"limit": limit, "offset": offset})
    else:
        rows = conn.execute(_PAGE_AFTER, {"limit": limit, "after": after})
    return [_agent(tuple(row)) for row in rows]


def count_agents(conn: Connection) -> int:
    """Return how many agents there are."""
    return int(conn.execute(_COUNT).scalar_one())


def list_calls(conn: Connection, agent_id: int, *, limit: int, before: int = NEWEST) -> Sequence[CallView]:
    """Return an agent's calls, newest first, from the one below `before`."""
    return [_call(row) for row in _CALLS.rows(conn, agent_id=agent_id, limit=limit, before=before)]


def show_call(conn: Connection, call_id: int) -> CallView | None:
    """Return one call, None when there is none of this number."""
    row = _ONE_CALL.row(conn, id=call_id)
    return None if row is None else _call(row)


def calls_in_state(
    conn: Connection, queue: str, state: CallState, *, limit: int, before: int = NEWEST
) -> Sequence[CallView]:
    """Return a queue's calls in one state, newest first, such as its dead letters."""
    rows = _BY_STATE.rows(conn, queue=queue, state=state.value, limit=limit, before=before)
    return [_call(row) for row in rows]


def _agent(row: Row) -> AgentView:
    return AgentView(Agent(*row[:15]), *row[15:])


def _call(row: Row) -> CallView:
    return CallView(*row)
