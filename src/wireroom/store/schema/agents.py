"""Tables of scheduled and one-time agents, of their calls, and of the queues that the calls go through."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from wireroom.store.schema.base import metadata, serial

queues = Table(
    "queues",
    metadata,
    Column("name", Text, primary_key=True),
    Column("paused", Integer, nullable=False, server_default=text("0"), comment="1: no call of it is begun"),
    Column("concurrency", Integer, comment="calls at once; NULL: as the setting says"),
    Column(
        "kept",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: made on purpose, so it stays when its last agent goes",
    ),
    Column("created_at", BigInteger, nullable=False),
)

agents = Table(
    "agents",
    metadata,
    serial(),
    Column("name", Text, nullable=False, unique=True),
    Column("action", Text, nullable=False, comment="call (an HTTP request) or prompt (a run)"),
    Column("request", Text, nullable=False, comment="JSON: what is called or run; see agents.request"),
    Column("queue", Text, nullable=False),
    Column("schedule", Text, comment="JSON: as its maker gave it; NULL for a one-time agent"),
    Column("timezone", Text, nullable=False, comment="IANA name"),
    Column("overlap", Text, nullable=False, comment="skip, queue or allow"),
    Column("missed", Text, nullable=False, comment="skip, once, late:<seconds> or all:<count>"),
    Column("retry", Text, nullable=False, comment="JSON: attempts, base_ms, cap_ms"),
    Column("paused", Integer, nullable=False, server_default=text("0"), comment="1: its schedule rests"),
    Column(
        "revision",
        Integer,
        nullable=False,
        server_default=text("1"),
        comment="grows with each change; a job of an earlier one does nothing",
    ),
    Column("next_at", BigInteger, comment="the first slot that is not decided; NULL without a schedule"),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
)
Index("ix_agents_queue", agents.c.queue, agents.c.name)
_awake = text("paused = 0 AND next_at IS NOT NULL")
Index("ix_agents_next", agents.c.next_at, sqlite_where=_awake, postgresql_where=_awake)

agent_calls = Table(
    "agent_calls",
    metadata,
    serial(),
    Column("agent_id", BigInteger, nullable=False, comment="stays when the agent is deleted"),
    Column("agent_name", Text, nullable=False),
    Column("queue", Text, nullable=False),
    Column("action", Text, nullable=False, comment="call or prompt"),
    Column("slot_at", BigInteger, comment="the time of the schedule that it stands for; NULL: asked for"),
    Column("slots", Integer, nullable=False, server_default=text("1"), comment="slots that a skip covers"),
    Column("slot_until", BigInteger, comment="the last of them"),
    Column("due_at", BigInteger, nullable=False, comment="not before"),
    Column(
        "state",
        Text,
        nullable=False,
        comment="waiting, running (given to a worker), succeeded, dead, skipped or cancelled",
    ),
    Column("reason", Text, comment="why there is this call, or why it was skipped, for people"),
    Column("catch_up", Integer, nullable=False, server_default=text("0"), comment="1: for a missed slot"),
    Column(
        "alone",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: not beside another call of its agent",
    ),
    Column("again", Integer, nullable=False, server_default=text("0"), comment="how often its target asked"),
    Column("attempts", Integer, nullable=False, server_default=text("0"), comment="tries that have ended"),
    Column("status_code", Integer, comment="the last answer's"),
    Column("duration_ms", Integer, comment="of the last try"),
    Column("error", Text, comment="of the last try that failed"),
    Column("response_head", Text, comment="the beginning of the last answer"),
    Column("run_id", Text, comment="the run of a prompt"),
    Column("idempotency_key", Text, unique=True, comment="the caller's, under the agent's name"),
    Column("request", Text, comment="JSON: what is sent; NULL once it is not needed any more"),
    Column("retry", Text, comment="JSON: as its agent's"),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger, comment="of the last try"),
    Column("finished_at", BigInteger),
)
_waiting = agent_calls.c.state == "waiting"
_running = agent_calls.c.state == "running"
_open = agent_calls.c.state.in_(["waiting", "running"])
_tried = text("state IN ('succeeded', 'dead')")
Index(
    "ix_agent_calls_waiting",
    agent_calls.c.queue,
    agent_calls.c.catch_up,
    agent_calls.c.due_at,
    agent_calls.c.id,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index(
    "ix_agent_calls_running",
    agent_calls.c.catch_up,
    agent_calls.c.queue,
    sqlite_where=_running,
    postgresql_where=_running,
)
Index(
    "ix_agent_calls_open",
    agent_calls.c.agent_id,
    agent_calls.c.state,
    sqlite_where=_open,
    postgresql_where=_open,
)
Index(
    "ix_agent_calls_tried",
    agent_calls.c.agent_id,
    agent_calls.c.finished_at,
    sqlite_where=_tried,
    postgresql_where=_tried,
)
_slot = agent_calls.c.slot_at.isnot(None)
Index(
    "uq_agent_calls_slot",
    agent_calls.c.agent_id,
    agent_calls.c.slot_at,
    unique=True,
    sqlite_where=_slot,
    postgresql_where=_slot,
)
Index("ix_agent_calls_agent", agent_calls.c.agent_id, agent_calls.c.id)
Index("ix_agent_calls_queue", agent_calls.c.queue, agent_calls.c.state, agent_calls.c.id)
_finished = agent_calls.c.finished_at.isnot(None)
Index(
    "ix_agent_calls_finished",
    agent_calls.c.finished_at,
    sqlite_where=_finished,
    postgresql_where=_finished,
)
_run = agent_calls.c.run_id.isnot(None)
Index("ix_agent_calls_run", agent_calls.c.run_id, sqlite_where=_run, postgresql_where=_run)
_dead = agent_calls.c.state == "dead"
Index("ix_agent_calls_dead", agent_calls.c.id, sqlite_where=_dead, postgresql_where=_dead)
