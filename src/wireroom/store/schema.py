"""The tables, as SQLAlchemy Core knows them; one definition for SQLite and PostgreSQL.

`legacy` tables keep the exact shape that other programs know and are only created when missing.
Every other `*_at` column is an integer: milliseconds since the epoch, UTC (`clock.to_ms`).
Migrations in `store/migrations` must produce exactly this; a test compares them.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData()

# SQLite gives its fast rowid key only to a column declared exactly INTEGER.
BigKey = BigInteger().with_variant(Integer, "sqlite")


def _serial() -> Column[int]:
    return Column("id", BigKey, Identity(), primary_key=True)


updates = Table(
    "updates",
    metadata,
    _serial(),
    Column("bot_id", BigInteger, nullable=False),
    Column("update_id", BigInteger, nullable=False),
    Column(
        "kind", Text, nullable=False, comment="message, edited_message, callback_query or the field's name"
    ),
    Column("lane", Text, nullable=False, comment="telegram:<bot>:<chat>:<thread>; order is kept within it"),
    Column("payload", Text, comment="the update as JSON; NULL in a tombstone"),
    Column("state", Text, nullable=False, comment="received, done, ignored, refused, dead, discarded"),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text, comment="why it was ignored, refused or given up"),
    Column("received_at", BigInteger, nullable=False),
    Column("handled_at", BigInteger),
    UniqueConstraint("bot_id", "update_id"),
)
Index(
    "ix_updates_dead",
    updates.c.id,
    sqlite_where=updates.c.state == "dead",
    postgresql_where=updates.c.state == "dead",
)
Index(
    "ix_updates_tombstones",
    updates.c.handled_at,
    sqlite_where=updates.c.payload.isnot(None),
    postgresql_where=updates.c.payload.isnot(None),
)

polling_offsets = Table(
    "polling_offsets",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("next_update_id", BigInteger, nullable=False),
)

people = Table(
    "people",
    metadata,
    _serial(),
    Column("bot_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("role", Text, nullable=False, comment="owner, member or stranger; a stranger was told no once"),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("bot_id", "user_id"),
)

access_codes = Table(
    "access_codes",
    metadata,
    Column(
        "digest", Text, primary_key=True, comment="SHA-256 of the code, hex; the code itself is never stored"
    ),
    Column("purpose", Text, nullable=False, comment="pairing or login"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

page_sessions = Table(
    "page_sessions",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the cookie's token, hex"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False, comment="telegram, web or api"),
    Column(
        "lane", Text, nullable=False, comment="where it is held: telegram:<bot>:<chat>:<thread> or web:<name>"
    ),
    Column("is_current", Integer, nullable=False, comment="1 for the one that new messages of the lane join"),
    Column("title", Text, nullable=False, server_default=text("''")),
    Column("backend", Text, comment="the coding agent it is bound to, NULL for the default"),
    Column("workdir", Text, nullable=False),
    Column("session_id", Text, comment="the coding agent's own session, resumed by the next run"),
    Column("session_backend", Text, comment="the back end that session belongs to"),
    Column("message_count", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("active_at", BigInteger, nullable=False),
)
Index(
    "uq_conversations_current",
    conversations.c.lane,
    unique=True,
    sqlite_where=conversations.c.is_current == 1,
    postgresql_where=conversations.c.is_current == 1,
)
Index("ix_conversations_active", conversations.c.active_at)
Index("ix_conversations_lane", conversations.c.lane, conversations.c.active_at, conversations.c.id)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), primary_key=True),
    Column(
        "seq", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 … within the conversation"
    ),
    Column("role", Text, nullable=False, comment="user, assistant or system"),
    Column("content", Text, nullable=False),
    Column("run_id", Text),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

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

deliveries = Table(
    "deliveries",
    metadata,
    _serial(),
    Column("run_id", Text, ForeignKey("runs.id"), comment="NULL for a notice that no run asked for"),
    Column("lane", Text, nullable=False),
    Column("bot_id", BigInteger, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger),
    Column("state", Text, nullable=False, comment="waiting (no body yet), pending, sent, dead, discarded"),
    Column("opening", Text, nullable=False, comment="what the placeholder says until the body is known"),
    Column("body", Text, comment="the answer as Markdown"),
    Column("buttons", Text, comment="JSON: rows of {text, data}"),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
)
Index("ix_deliveries_run", deliveries.c.run_id)
Index("ix_deliveries_state", deliveries.c.state, deliveries.c.id)

delivery_parts = Table(
    "delivery_parts",
    metadata,
    Column("delivery_id", BigInteger, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False, comment="text or document"),
    Column("content", Text, comment="JSON of the rendered part; NULL while only the placeholder is wanted"),
    Column("state", Text, nullable=False, comment="see delivery.plan.PartState"),
    Column("message_id", BigInteger, comment="the chat message this part lives in, once known"),
    Column(
        "doubted",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: an earlier placeholder may stand in the chat, unrecorded",
    ),
    Column("error", Text),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_delivery_parts_message",
    delivery_parts.c.message_id,
    sqlite_where=delivery_parts.c.message_id.isnot(None),
    postgresql_where=delivery_parts.c.message_id.isnot(None),
)

jobs = Table(
    "jobs",
    metadata,
    _serial(),
    Column("queue", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("ref", Text, nullable=False),
    Column("key", Text, comment="jobs of one key run one at a time"),
    Column("priority", Integer, nullable=False, server_default=text("0"), comment="lower goes first"),
    Column("run_at", BigInteger, nullable=False),
    Column("dedupe", Text, comment="at most one waiting job has it"),
    Column(
        "state",
        Text,
        nullable=False,
        comment="waiting, behind (another of its key), delayed, running or dead; insert waiting",
    ),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column(
        "epoch",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="number of the claim, never used twice",
    ),
    Column("worker", Text),
    Column("heartbeat_at", BigInteger),
    Column("cancel_requested", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("enqueued_at", BigInteger, nullable=False),
)
_waiting = jobs.c.state == "waiting"
_behind = jobs.c.state == "behind"
_delayed = jobs.c.state == "delayed"
_running = jobs.c.state == "running"
_dead = jobs.c.state == "dead"
_queued = text("dedupe IS NOT NULL AND state IN ('waiting', 'behind', 'delayed')")
Index(
    "ix_jobs_claim",
    jobs.c.queue,
    jobs.c.priority,
    jobs.c.id,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)
Index(
    "ix_jobs_behind",
    jobs.c.key,
    jobs.c.priority,
    jobs.c.id,
    jobs.c.queue,
    sqlite_where=_behind,
    postgresql_where=_behind,
)
Index("ix_jobs_delayed", jobs.c.run_at, jobs.c.queue, sqlite_where=_delayed, postgresql_where=_delayed)
Index("ix_jobs_key", jobs.c.key, sqlite_where=_running, postgresql_where=_running)
Index("ix_jobs_ref", jobs.c.kind, jobs.c.ref)
Index("uq_jobs_dedupe", jobs.c.dedupe, unique=True, sqlite_where=_queued, postgresql_where=_queued)
Index("ix_jobs_dead", jobs.c.id, sqlite_where=_dead, postgresql_where=_dead)

audit = Table(
    "audit",
    metadata,
    _serial(),
    Column("created_at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text),
)

_NOW = text("CURRENT_TIMESTAMP")

legacy = MetaData()

tasks = Table(
    "tasks",
    legacy,
    Column("id", Integer, primary_key=True),
    Column("prompt", Text, nullable=False),
    Column("order", Integer, nullable=False, server_default=text("0")),
    Column("createdat", Text, server_default=_NOW),
    Column("updatedat", Text, server_default=_NOW),
    Column("uuid", Text),
    Column("status", Integer, nullable=False, server_default=text("0")),
    sqlite_autoincrement=True,
)
Index("idx_tasks_status", tasks.c.status)
Index("idx_tasks_order", tasks.c.order)
Index("idx_tasks_status_order", tasks.c.status, tasks.c.order)
Index("idx_tasks_uuid", tasks.c.uuid, unique=True)

system_settings = Table(
    "system_settings",
    legacy,
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False, server_default=text("0")),
    Column("created_at", Text, server_default=_NOW),
    Column("updated_at", Text, server_default=_NOW),
)

schema_migrations = Table(
    "schema_migrations",
    legacy,
    Column("name", Text, primary_key=True),
    Column("executed_at", Text, nullable=False),
)

git_credentials = Table(
    "git_credentials",
    legacy,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("username", Text),
    Column("password", Text),
    Column("token", Text),
    Column("repository_url", Text),
    Column("active", Integer, server_default=text("1")),
    Column("created_at", Text, server_default=_NOW),
    Column("updated_at", Text, server_default=_NOW),
)
Index("idx_git_credentials_name", git_credentials.c.name, unique=True)
Index("idx_git_credentials_active", git_credentials.c.active)
Index("idx_git_credentials_repository_url", git_credentials.c.repository_url)

telegram_bots = Table(
    "telegram_bots",
    legacy,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("bot_token", Text, nullable=False),
    Column("webhook_secret", Text, nullable=False),
    Column("bot_type", Text, nullable=False),
    Column("active", Integer, server_default=text("1")),
    Column("created_at", Text, server_default=_NOW),
    Column("updated_at", Text, server_default=_NOW),
)
Index("idx_telegram_bots_name", telegram_bots.c.name, unique=True)
Index("idx_telegram_bots_bot_token", telegram_bots.c.bot_token, unique=True)
Index("idx_telegram_bots_webhook_secret", telegram_bots.c.webhook_secret, unique=True)
Index("idx_telegram_bots_active", telegram_bots.c.active)
Index("idx_telegram_bots_bot_type", telegram_bots.c.bot_type)
