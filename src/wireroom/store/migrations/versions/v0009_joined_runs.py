"""Which run a message's words went to that came while an agent worked.

Revision 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and its index."""
    joined = sa.Column(
        "joined_run_id",
        sa.Text(),
        nullable=True,
        comment="the run that its words are offered to or, once joined, went to",
    )
    op.add_column("runs", joined)
    op.create_index(
        "ix_runs_joined",
        "runs",
        ["joined_run_id", "queued_at"],
        sqlite_where=sa.text("joined_run_id IS NOT NULL"),
        postgresql_where=sa.text("joined_run_id IS NOT NULL"),
    )
