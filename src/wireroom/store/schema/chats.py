"""The table of what people chose for a chat, and of what is due in it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from wireroom.store.schema.base import metadata

chat_settings = Table(
    "chat_settings",
    metadata,
    Column("lane", Text, primary_key=True, comment="telegram:<bot>:<chat>:<thread>"),
    Column("choices", Text, nullable=False, comment="JSON: conversations.chat_settings.ChatSettings"),
    Column("digest_due_at", BigInteger, comment="when the next digest is due; NULL: none is wanted"),
    Column("digest_told_at", BigInteger, comment="up to when the last digest told"),
    Column("changed_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_chat_settings_digest",
    chat_settings.c.digest_due_at,
    sqlite_where=chat_settings.c.digest_due_at.isnot(None),
    postgresql_where=chat_settings.c.digest_due_at.isnot(None),
)
