"""What all tables share."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData

metadata = MetaData()

# SQLite gives its fast rowid key only to a column declared exactly INTEGER.
BigKey = BigInteger().with_variant(Integer, "sqlite")


def serial() -> Column[int]:
    """Return the primary key that counts up by itself."""
    return Column("id", BigKey, Identity(), primary_key=True)
