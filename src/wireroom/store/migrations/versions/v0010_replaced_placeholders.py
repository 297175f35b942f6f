"""Which placeholder the message of a part replaces, where drafts were shown.

Revision 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column(
        "delivery_parts",
        sa.Column(
            "replaces",
            sa.BigInteger(),
            comment="message id of an earlier placeholder, deleted once this one stands",
        ),
    )
