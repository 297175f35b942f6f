"""What people chose for a chat, and when its digest is due.

Revision 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "chat_settings",
        sa.Column("lane", sa.Text(), nullable=False, comment="telegram:<bot>:<chat>:<thread>"),
        sa.Column(
            "choices",
            sa.Text(),
            nullable=False,
            comment="JSON: conversations.chat_settings.ChatSettings",
        ),
        sa.Column(
            "digest_due_at",
            sa.BigInteger(),
            nullable=True,
            comment="when the next digest is due; NULL: none is wanted",
        ),
        sa.Column(
            "digest_told_at", sa.BigInteger(), nullable=True, comment="up to when the last digest told"
        ),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("lane"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_chat_settings_digest",
        "chat_settings",
        ["digest_due_at"],
        sqlite_where=sa.text("digest_due_at IS NOT NULL"),
        postgresql_where=sa.text("digest_due_at IS NOT NULL"),
    )
