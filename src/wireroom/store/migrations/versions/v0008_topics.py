"""Topics of chats, those that people want made, and what a delivery left when its topic was gone.

Revision 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and the column."""
    _create_topics()
    _create_requests()
    op.add_column(
        "deliveries",
        sa.Column(
            "left_topic", sa.Text(), comment="name of the topic that it could not be sent to, or empty"
        ),
    )


def _create_topics() -> None:
    op.create_table(
        "topics",
        sa.Column("bot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("thread_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="as it was last told; empty when it never was"),
        sa.Column("state", sa.Text(), nullable=False, comment="open, closed or gone"),
        sa.Column(
            "made_by_bot",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: by the bot itself",
        ),
        sa.Column(
            "is_project",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: whatever is said in it is meant for the bot",
        ),
        sa.Column("noted_at", sa.BigInteger(), nullable=False, comment="when it was first heard of"),
        sa.PrimaryKeyConstraint("bot_id", "chat_id", "thread_id"),
        sqlite_with_rowid=False,
    )


def _create_requests() -> None:
    op.create_table(
        "topic_requests",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            nullable=False,
        ),
        sa.Column("bot_id", sa.BigInteger(), nullable=False),
        sa.Column("update_id", sa.BigInteger(), nullable=False, comment="of the message that asked for it"),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("asked_thread_id", sa.BigInteger(), comment="where it was asked for; NULL outside topics"),
        sa.Column("asked_message_id", sa.BigInteger()),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("repository", sa.Text(), comment="its project; NULL for a folder of its own"),
        sa.Column("folder", sa.Text(), comment="of that repository"),
        sa.Column("state", sa.Text(), nullable=False, comment="wanted, sending, unsure, done or refused"),
        sa.Column("thread_id", sa.BigInteger(), comment="the topic, once known"),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), comment="when Telegram was last asked to make it"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("bot_id", "update_id"),
    )
    op.create_index(
        "ix_topic_requests_open",
        "topic_requests",
        ["bot_id", "chat_id"],
        sqlite_where=sa.text("thread_id IS NULL"),
        postgresql_where=sa.text("thread_id IS NULL"),
    )
