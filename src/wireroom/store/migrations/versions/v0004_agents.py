"""Scheduled and one-time agents, their calls, and the queues that the calls go through.

Revision 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    _create_queues()
    _create_agents()
    _create_calls()
    _index_calls()


def _create_queues() -> None:
    op.create_table(
        "queues",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column(
            "paused",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: no call of it is begun",
        ),
        sa.Column(
            "concurrency", sa.Integer(), nullable=True, comment="calls at once; NULL: as the setting says"
        ),
        sa.Column(
            "kept",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: made on purpose, so it stays when its last agent goes",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )


def _create_agents() -> None:
    op.create_table(
        "agents",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="call (an HTTP request) or prompt (a run)"),
        sa.Column(
            "request", sa.Text(), nullable=False, comment="JSON: what is called or run; see agents.request"
        ),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column(
            "schedule",
            sa.Text(),
            nullable=True,
            comment="JSON: as its maker gave it; NULL for a one-time agent",
        ),
        sa.Column("timezone", sa.Text(), nullable=False, comment="IANA name"),
        sa.Column("overlap", sa.Text(), nullable=False, comment="skip, queue or allow"),
        sa.Column("missed", sa.Text(), nullable=False, comment="skip, once, late:<seconds> or all:<count>"),
        sa.Column("retry", sa.Text(), nullable=False, comment="JSON: attempts, base_ms, cap_ms"),
        sa.Column(
            "paused",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: its schedule rests",
        ),
        sa.Column(
            "revision",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="grows with each change; a job of an earlier one does nothing",
        ),
        sa.Column(
            "next_at",
            sa.BigInteger(),
            nullable=True,
            comment="the first slot that is not decided; NULL without a schedule",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("ix_agents_queue", "agents", ["queue", "name"], unique=False)
    _partial_index("ix_agents_next", "agents", ["next_at"], "paused = 0 AND next_at IS NOT NULL")


def _create_calls() -> None:
    op.create_table(
        "agent_calls",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("agent_id", sa.BigInteger(), nullable=False, comment="stays when the agent is deleted"),
        sa.Column("agent_name", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False, comment="call or prompt"),
        sa.Column(
            "slot_at",
            sa.BigInteger(),
            nullable=True,
            comment="the time of the schedule that it stands for; NULL: asked for",
        ),
        sa.Column(
            "slots",
            sa.Integer(),
            server_default=sa.text("1"),
            nullable=False,
            comment="slots that a skip covers",
        ),
        sa.Column("slot_until", sa.BigInteger(), nullable=True, comment="the last of them"),
        sa.Column("due_at", sa.BigInteger(), nullable=False, comment="not before"),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="waiting, running (given to a worker), succeeded, dead, skipped or cancelled",
        ),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why there is this call, or why it was skipped, for people",
        ),
        _flag("catch_up", "1: for a missed slot"),
        _flag("alone", "1: not beside another call of its agent"),
        _flag("again", "how often its target asked"),
        _flag("attempts", "tries that have ended"),
        sa.Column("status_code", sa.Integer(), nullable=True, comment="the last answer's"),
        sa.Column("duration_ms", sa.Integer(), nullable=True, comment="of the last try"),
        sa.Column("error", sa.Text(), nullable=True, comment="of the last try that failed"),
        sa.Column("response_head", sa.Text(), nullable=True, comment="the beginning of the last answer"),
        sa.Column("run_id", sa.Text(), nullable=True, comment="the run of a prompt"),
        sa.Column(
            "idempotency_key", sa.Text(), nullable=True, comment="the caller's, under the agent's name"
        ),
        sa.Column(
            "request",
            sa.Text(),
            nullable=True,
            comment="JSON: what is sent; NULL once it is not needed any more",
        ),
        sa.Column("retry", sa.Text(), nullable=True, comment="JSON: as its agent's"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True, comment="of the last try"),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("idempotency_key"),
    )


def _index_calls() -> None:
    op.create_index("ix_agent_calls_agent", "agent_calls", ["agent_id", "id"], unique=False)
    op.create_index("ix_agent_calls_queue", "agent_calls", ["queue", "state", "id"], unique=False)
    for name, columns, where in (
        ("waiting", ["queue", "catch_up", "due_at", "id"], "state = 'waiting'"),
        ("running", ["catch_up", "queue"], "state = 'running'"),
        ("open", ["agent_id", "state"], "state IN ('waiting', 'running')"),
        ("tried", ["agent_id", "finished_at"], "state IN ('succeeded', 'dead')"),
        ("finished", ["finished_at"], "finished_at IS NOT NULL"),
        ("run", ["run_id"], "run_id IS NOT NULL"),
        ("dead", ["id"], "state = 'dead'"),
    ):
        _partial_index(f"ix_agent_calls_{name}", "agent_calls", columns, where)
    _partial_index(
        "uq_agent_calls_slot", "agent_calls", ["agent_id", "slot_at"], "slot_at IS NOT NULL", unique=True
    )


def _flag(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), server_default=sa.text("0"), nullable=False, comment=comment)


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
