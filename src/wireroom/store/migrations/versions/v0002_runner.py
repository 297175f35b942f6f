"""What the runner needs: rounds, permissions, callbacks, agent conversations.

Revision 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is missing; rows that exist keep their values and get the defaults."""
    _create_agent_conversations()
    _create_callbacks()
    _create_permissions()
    _create_run_rounds()
    _add_columns()


def _create_agent_conversations() -> None:
    op.create_table(
        "agent_conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True, comment="JSON, as the caller gave it"),
        sa.Column("status", sa.Text(), server_default=sa.text("'active'"), nullable=False),
        sa.Column("message_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_agent_conversations_active", "agent_conversations", ["active_at", "id"], unique=False)
    op.create_index(
        "ix_agent_conversations_count", "agent_conversations", ["message_count", "id"], unique=False
    )
    op.create_index(
        "ix_agent_conversations_created", "agent_conversations", ["created_at", "id"], unique=False
    )
    op.create_table(
        "agent_messages",
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), server_default=sa.text("'text'"), nullable=False),
        sa.Column(
            "extra",
            sa.Text(),
            nullable=True,
            comment="JSON: message_id, tool_name, tool_args, tool_output, as far as given",
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["agent_conversations.id"],
        ),
        sa.PrimaryKeyConstraint("conversation_id", "seq"),
        sqlite_with_rowid=False,
    )


def _create_callbacks() -> None:
    op.create_table(
        "remote_results",
        sa.Column("request_id", sa.Text(), nullable=False, comment="the id that the remote runner was given"),
        sa.Column("payload", sa.Text(), nullable=False, comment="JSON, as it came"),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id"),
    )
    op.create_index("ix_remote_results_received", "remote_results", ["received_at"], unique=False)
    op.create_table(
        "callbacks",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.Column(
            "url",
            sa.Text(),
            nullable=False,
            comment="without the secret that its caller may have put into it",
        ),
        sa.Column("secret", sa.Text(), nullable=True, comment="that secret"),
        sa.Column("payload", sa.Text(), nullable=True, comment="JSON; NULL while the run works"),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="waiting (its run works), pending, sending, sent, dead, discarded",
        ),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("status_code", sa.Integer(), nullable=True, comment="the last answer's"),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True, comment="when it is tried next"),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_callbacks_run", "callbacks", ["run_id"], unique=False)
    op.create_index("ix_callbacks_state", "callbacks", ["state", "id"], unique=False)


def _create_permissions() -> None:
    op.create_table(
        "permissions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("conversation_id", sa.Text(), nullable=False),
        sa.Column("tool", sa.Text(), nullable=False, comment="what the agent wants to use"),
        sa.Column("subject", sa.Text(), nullable=False, comment="what with: a command, a path, in one line"),
        sa.Column(
            "digest", sa.Text(), nullable=False, comment="SHA-256 of tool and input: the same question again"
        ),
        sa.Column(
            "state", sa.Text(), nullable=False, comment="asked, allowed, allowed_session, denied or expired"
        ),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("answered_by", sa.Text(), nullable=True, comment="who, for the audit"),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "ix_permissions_asked",
        "permissions",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("state = 'asked'"),
        postgresql_where=sa.text("state = 'asked'"),
    )
    op.create_index(
        "ix_permissions_conversation", "permissions", ["conversation_id", "tool", "state"], unique=False
    )
    op.create_index("ix_permissions_run", "permissions", ["run_id", "asked_at"], unique=False)


def _create_run_rounds() -> None:
    op.create_table(
        "run_rounds",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column(
            "seq", sa.Integer(), autoincrement=False, nullable=False, comment="1, 2, 3 … within the run"
        ),
        sa.Column("kind", sa.Text(), nullable=False, comment="work or review"),
        sa.Column("state", sa.Text(), nullable=False, comment="running, or how it ended; see runs.states"),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it did not succeed, for people"),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True, comment="JSON: what the review decided"),
        sa.Column("usage", sa.Text(), nullable=True, comment="JSON: input_tokens, output_tokens, cost_usd"),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("run_id", "seq"),
        sqlite_with_rowid=False,
    )


def _add_columns() -> None:
    op.add_column(
        "conversations",
        sa.Column(
            "summary",
            sa.Text(),
            nullable=True,
            comment="what was said before message summary_upto + 1, in short",
        ),
    )
    op.add_column(
        "conversations", sa.Column("summary_upto", sa.Integer(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column(
        "conversations",
        sa.Column(
            "session_workdir",
            sa.Text(),
            nullable=True,
            comment="the folder it belongs to, NULL for the conversation's",
        ),
    )
    op.add_column(
        "conversations",
        sa.Column(
            "session_usage",
            sa.Text(),
            nullable=True,
            comment="JSON: figures that count that session from its beginning",
        ),
    )
    op.add_column(
        "run_attempts",
        sa.Column(
            "errand",
            sa.Text(),
            nullable=True,
            comment="what a runner elsewhere may have been given, by its id there; kept by the next attempt",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "mode",
            sa.Text(),
            server_default=sa.text("'execute'"),
            nullable=False,
            comment="execute or iterate",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "options",
            sa.Text(),
            nullable=True,
            comment="JSON: what the caller asked for beyond the prompt; see runs.options",
        ),
    )
    op.add_column(
        "runs",
        sa.Column(
            "report",
            sa.Text(),
            nullable=True,
            comment="JSON: what there is to tell beyond the output; see runs.report",
        ),
    )
