"""Tables beside the board's own, which other programs know and which therefore stays as it is.

A row refers to its task by number only: whoever deletes a task with plain SQL is not refused.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Table, Text, text

from wireroom.store.schema.base import metadata

task_details = Table(
    "task_details",
    metadata,
    Column("task_id", Integer, primary_key=True, autoincrement=False),
    Column("repository", Text, comment="folder under the repositories' root"),
    Column("branch", Text, comment="what the work begins with"),
    Column("backend", Text, comment="the coding agent; NULL: the setting's"),
    Column("labels", Text, nullable=False, server_default=text("'[]'"), comment="JSON: words, sorted"),
    Column("not_before", BigInteger),
    Column(
        "failures",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="attempts that failed since somebody last said: try it",
    ),
    Column("next_try_at", BigInteger, comment="when it is tried again after a failure"),
    Column(
        "is_dead",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: given up, and so backlogged; ready again means try again",
    ),
    Column("reason", Text, comment="why it waits or was given up, for people"),
    Column(
        "epoch",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="number of the newest attempt; fences older ones",
    ),
    Column("run_id", Text, comment="the run that works on it; NULL: none"),
    Column("updated_at", BigInteger, nullable=False),
)
_at_work = task_details.c.run_id.isnot(None)
Index("ix_task_details_at_work", task_details.c.run_id, sqlite_where=_at_work, postgresql_where=_at_work)
_dead = task_details.c.is_dead == 1
Index("ix_task_details_dead", task_details.c.task_id, sqlite_where=_dead, postgresql_where=_dead)

task_attempts = Table(
    "task_attempts",
    metadata,
    Column("task_id", Integer, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False, comment="the epoch of its claim"),
    Column("run_id", Text, nullable=False),
    Column("request_id", Text, nullable=False, comment="what a runner was given, and calls back with"),
    Column("state", Text, nullable=False, comment="running, or how its run ended; see runs.states"),
    Column("result", Text, comment="what the agent said"),
    Column("error", Text),
    Column("cost_usd", Float),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    sqlite_with_rowid=False,
)
Index("ix_task_attempts_request", task_attempts.c.request_id)

task_dependencies = Table(
    "task_dependencies",
    metadata,
    Column("task_id", Integer, primary_key=True, autoincrement=False, comment="the one that waits"),
    Column("needs_id", Integer, primary_key=True, autoincrement=False, comment="the one it waits for"),
    sqlite_with_rowid=False,
)
Index("ix_task_dependencies_needs", task_dependencies.c.needs_id)

task_limits = Table(
    "task_limits",
    metadata,
    Column("label", Text, primary_key=True),
    Column("most", Integer, nullable=False, comment="tasks of the label that may be at work at once"),
    sqlite_with_rowid=False,
)
