"""What the task board needs beside the known table: details, attempts, dependencies, limits.

Revision 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; the board's own keeps its shape, and on PostgreSQL gets the index of the next task."""
    _create_details()
    _create_attempts()
    _create_dependencies()
    if op.get_bind().dialect.name == "postgresql":
        op.create_index("ix_tasks_turn", "tasks", ["status", "order", "id"], unique=False)


def _create_details() -> None:
    op.create_table(
        "task_details",
        sa.Column("task_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("repository", sa.Text(), nullable=True, comment="folder under the repositories' root"),
        sa.Column("branch", sa.Text(), nullable=True, comment="what the work begins with"),
        sa.Column("backend", sa.Text(), nullable=True, comment="the coding agent; NULL: the setting's"),
        sa.Column(
            "labels",
            sa.Text(),
            server_default=sa.text("'[]'"),
            nullable=False,
            comment="JSON: words, sorted",
        ),
        sa.Column("not_before", sa.BigInteger(), nullable=True),
        sa.Column(
            "failures",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="attempts that failed since somebody last said: try it",
        ),
        sa.Column(
            "next_try_at", sa.BigInteger(), nullable=True, comment="when it is tried again after a failure"
        ),
        sa.Column(
            "is_dead",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: given up, and so backlogged; ready again means try again",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it waits or was given up, for people"),
        sa.Column(
            "epoch",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="number of the newest attempt; fences older ones",
        ),
        sa.Column("run_id", sa.Text(), nullable=True, comment="the run that works on it; NULL: none"),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("task_id"),
    )
    _partial_index("ix_task_details_at_work", "run_id", "run_id IS NOT NULL")
    _partial_index("ix_task_details_dead", "task_id", "is_dead = 1")


def _partial_index(name: str, column: str, where: str) -> None:
    op.create_index(
        name,
        "task_details",
        [column],
        unique=False,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )


def _create_attempts() -> None:
    op.create_table(
        "task_attempts",
        sa.Column("task_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column(
            "number", sa.Integer(), autoincrement=False, nullable=False, comment="the epoch of its claim"
        ),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "request_id",
            sa.Text(),
            nullable=False,
            comment="what a runner was given, and calls back with",
        ),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="running, or how its run ended; see runs.states",
        ),
        sa.Column("result", sa.Text(), nullable=True, comment="what the agent said"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("cost_usd", sa.Float(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("task_id", "number"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_task_attempts_request", "task_attempts", ["request_id"], unique=False)


def _create_dependencies() -> None:
    op.create_table(
        "task_dependencies",
        sa.Column("task_id", sa.Integer(), autoincrement=False, nullable=False, comment="the one that waits"),
        sa.Column(
            "needs_id", sa.Integer(), autoincrement=False, nullable=False, comment="the one it waits for"
        ),
        sa.PrimaryKeyConstraint("task_id", "needs_id"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_task_dependencies_needs", "task_dependencies", ["needs_id"], unique=False)
    op.create_table(
        "task_limits",
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column(
            "most",
            sa.Integer(),
            nullable=False,
            comment="tasks of the label that may be at work at once",
        ),
        sa.PrimaryKeyConstraint("label"),
        sqlite_with_rowid=False,
    )
