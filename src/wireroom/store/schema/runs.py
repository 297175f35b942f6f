"""Tables of runs: requests, attempts, logs, rounds, and what agents asked for."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from wireroom.store.schema.base import metadata

runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "request_id",
        Text,
        nullable=False,
        unique=True,
        comment="the caller's id; a second request with it joins this run",
    ),
    Column("conversation_id", Text, ForeignKey("conversations.id"), nullable=False),
    Column("lane", Text, nullable=False),
    Column("source", Text, nullable=False, comment="telegram, web or api"),
    Column("source_message_id", BigInteger, comment="the chat message that asked, for edits and replies"),
    Column("prompt", Text, nullable=False),
    Column("backend", Text, nullable=False),
    Column("workdir", Text, nullable=False),
    Column("mode", Text, nullable=False, server_default=text("'execute'"), comment="execute or iterate"),
    Column("options", Text, comment="JSON: what the caller asked for beyond the prompt; see runs.options"),
    Column("report", Text, comment="JSON: what there is to tell beyond the output; see runs.report"),
    Column("state", Text, nullable=False, comment="see runs.states"),
    Column("reason", Text, comment="why it is in that state, for people"),
    Column(
        "epoch",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="number of the newest attempt; fences older ones",
    ),
    Column("interruptions", Integer, nullable=False, server_default=text("0")),
    Column("output", Text),
    Column("error", Text),
    Column("exit_code", Integer),
    Column("usage", Text, comment="JSON: input_tokens, output_tokens, cost_usd"),
    Column("event_count", Integer, nullable=False, server_default=text("0")),
    Column("cancel_requested_at", BigInteger),
    Column("queued_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column(
        "joined_run_id",
        Text,
        comment="the run that its words are offered to or, once joined, went to",
    ),
)
Index("ix_runs_state", runs.c.state, runs.c.queued_at)
Index("ix_runs_lane", runs.c.lane, runs.c.queued_at)
_unfinished = runs.c.state.in_(["queued", "running"])
Index(
    "ix_runs_unfinished",
    runs.c.lane,
    runs.c.queued_at,
    sqlite_where=_unfinished,
    postgresql_where=_unfinished,
)
Index("ix_runs_conversation", runs.c.conversation_id, runs.c.queued_at)
Index("ix_runs_queued_at", runs.c.queued_at)
Index(
    "ix_runs_joined",
    runs.c.joined_run_id,
    runs.c.queued_at,
    sqlite_where=runs.c.joined_run_id.isnot(None),
    postgresql_where=runs.c.joined_run_id.isnot(None),
)

run_attempts = Table(
    "run_attempts",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id"), primary_key=True),
    Column("epoch", Integer, primary_key=True, autoincrement=False),
    Column("worker", Text, nullable=False),
    Column("pid", Integer, comment="the agent's process group, once started"),
    Column(
        "pid_started",
        BigInteger,
        comment="its start time in clock ticks since boot, so that a reused pid is not killed",
    ),
    Column(
        "errand",
        Text,
        comment="what a runner elsewhere may have been given, by its id there; kept by the next attempt",
    ),
    Column("state", Text, nullable=False, comment="running, or how it ended"),
    Column("reason", Text),
    Column("exit_code", Integer),
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False, comment="for people: how fresh its worker's word is"),
    Column("finished_at", BigInteger),
    sqlite_with_rowid=False,
)

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("created_at", BigInteger, nullable=False),
    Column("kind", Text, nullable=False, comment="see backends.protocol.EventKind, and state"),
    Column("payload", Text, nullable=False, comment="JSON object"),
    sqlite_with_rowid=False,
)

run_rounds = Table(
    "run_rounds",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 … within the run"),
    Column("kind", Text, nullable=False, comment="work or review"),
    Column("state", Text, nullable=False, comment="running, or how it ended; see runs.states"),
    Column("prompt", Text, nullable=False),
    Column("output", Text),
    Column("reason", Text, comment="why it did not succeed, for people"),
    Column("exit_code", Integer),
    Column("verdict", Text, comment="JSON: what the review decided"),
    Column("usage", Text, comment="JSON: input_tokens, output_tokens, cost_usd"),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    sqlite_with_rowid=False,
)

permissions = Table(
    "permissions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.id"), nullable=False),
    Column("conversation_id", Text, nullable=False),
    Column("tool", Text, nullable=False, comment="what the agent wants to use"),
    Column("subject", Text, nullable=False, comment="what with: a command, a path, in one line"),
    Column("digest", Text, nullable=False, comment="SHA-256 of tool and input: the same question again"),
    Column("state", Text, nullable=False, comment="asked, allowed, allowed_session, denied or expired"),
    Column("asked_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("answered_at", BigInteger),
    Column("answered_by", Text, comment="who, for the audit"),
)
Index("ix_permissions_run", permissions.c.run_id, permissions.c.asked_at)
Index("ix_permissions_conversation", permissions.c.conversation_id, permissions.c.tool, permissions.c.state)
Index(
    "ix_permissions_asked",
    permissions.c.expires_at,
    sqlite_where=permissions.c.state == "asked",
    postgresql_where=permissions.c.state == "asked",
)

remote_results = Table(
    "remote_results",
    metadata,
    Column("request_id", Text, primary_key=True, comment="the id that the remote runner was given"),
    Column("payload", Text, nullable=False, comment="JSON, as it came"),
    Column("received_at", BigInteger, nullable=False),
)
Index("ix_remote_results_received", remote_results.c.received_at)
