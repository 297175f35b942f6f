"""What there is to know of each bot beside the shared table of bots.

Revision 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "bot_details",
        sa.Column(
            "bot_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="by which Telegram knows it",
        ),
        sa.Column(
            "row_id",
            sa.Integer(),
            nullable=False,
            comment="of its name and its sealed secrets in telegram_bots",
        ),
        sa.Column(
            "username",
            sa.Text(),
            server_default=sa.text("''"),
            nullable=False,
            comment="without the @, once known",
        ),
        sa.Column(
            "repository",
            sa.Text(),
            nullable=True,
            comment="folder that new conversations work in; NULL: by the usual rule",
        ),
        sa.Column(
            "backend",
            sa.Text(),
            nullable=True,
            comment="the coding agent of new conversations; NULL: the setting's",
        ),
        sa.Column(
            "is_polled",
            sa.Integer(),
            server_default=sa.text("0"),
            nullable=False,
            comment="1: updates are fetched even where Telegram could push them",
        ),
        sa.Column(
            "problem",
            sa.Text(),
            nullable=True,
            comment="what is wrong with it just now, for people; NULL: nothing",
        ),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bot_id"),
        sa.UniqueConstraint("row_id"),
    )
