"""What the processes of one installation share for moments: send lanes and budgets of callers.

Revision 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    _create_lanes()
    _create_lane_chats()
    _create_budgets()
    if op.get_bind().dialect.name == "postgresql":
        _suit_postgres()


def _suit_postgres() -> None:
    # Each row is written again and again: with room in its page it stays there and no index is touched.
    for table in ("send_lanes", "send_lane_chats", "request_budgets"):
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
    # A crash of the server gives everybody's budget back, which is no loss; and no request waits for a log.
    op.execute("ALTER TABLE request_budgets SET UNLOGGED")


def _create_lanes() -> None:
    op.create_table(
        "send_lanes",
        sa.Column("bot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="JSON: delivery.lanes.BotClock"),
        sa.Column(
            "latest_at",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="of the last decision, by the lanes' own clock",
        ),
        sa.Column(
            "ahead_ms",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="how far that clock, which never runs backwards, is ahead of the database's",
        ),
        sa.PrimaryKeyConstraint("bot_id"),
    )


def _create_lane_chats() -> None:
    op.create_table(
        "send_lane_chats",
        sa.Column("bot_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False, comment="JSON: delivery.lanes.ChatClock"),
        sa.Column("idle_at", sa.BigInteger(), nullable=False, comment="from then on the row says nothing"),
        sa.PrimaryKeyConstraint("bot_id", "chat_id"),
        sqlite_with_rowid=False,
    )


def _create_budgets() -> None:
    op.create_table(
        "request_budgets",
        sa.Column("budget", sa.Text(), nullable=False, comment="whose rule; see api.budgets"),
        sa.Column(
            "caller",
            sa.Text(),
            nullable=False,
            comment="a keyed digest of the name, address or session",
        ),
        sa.Column(
            "empty_us", sa.BigInteger(), nullable=False, comment="microseconds, by the database's clock"
        ),
        sa.PrimaryKeyConstraint("budget", "caller"),
        sqlite_with_rowid=False,
    )
