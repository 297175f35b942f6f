"""The table of the embedded job engine."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, text

from wireroom.store.schema.base import metadata, serial

jobs = Table(
    "jobs",
    metadata,
    serial(),
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
