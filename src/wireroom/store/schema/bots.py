"""What there is to know of a bot beside its row in the shared table, which other programs know."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, Table, Text, UniqueConstraint, text

from wireroom.store.schema.base import metadata

bot_details = Table(
    "bot_details",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False, comment="by which Telegram knows it"),
    Column("row_id", Integer, nullable=False, comment="of its name and its sealed secrets in telegram_bots"),
    Column("username", Text, nullable=False, server_default=text("''"), comment="without the @, once known"),
    Column("repository", Text, comment="folder that new conversations work in; NULL: by the usual rule"),
    Column("backend", Text, comment="the coding agent of new conversations; NULL: the setting's"),
    Column(
        "is_polled",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: updates are fetched even where Telegram could push them",
    ),
    Column("problem", Text, comment="what is wrong with it just now, for people; NULL: nothing"),
    Column("added_at", BigInteger, nullable=False),
    UniqueConstraint("row_id"),
)
