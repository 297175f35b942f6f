"""Tables of the topics of chats, and of those that people want made."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text, UniqueConstraint, text

from wireroom.store.schema.base import metadata, serial

topics = Table(
    "topics",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("thread_id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False, comment="as it was last told; empty when it never was"),
    Column("state", Text, nullable=False, comment="open, closed or gone"),
    Column("made_by_bot", Integer, nullable=False, server_default=text("0"), comment="1: by the bot itself"),
    Column(
        "is_project",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: whatever is said in it is meant for the bot",
    ),
    Column("noted_at", BigInteger, nullable=False, comment="when it was first heard of"),
    sqlite_with_rowid=False,
)

topic_requests = Table(
    "topic_requests",
    metadata,
    serial(),
    Column("bot_id", BigInteger, nullable=False),
    Column("update_id", BigInteger, nullable=False, comment="of the message that asked for it"),
    Column("chat_id", BigInteger, nullable=False),
    Column("asked_thread_id", BigInteger, comment="where it was asked for; NULL outside topics"),
    Column("asked_message_id", BigInteger),
    Column("name", Text, nullable=False),
    Column("repository", Text, comment="its project; NULL for a folder of its own"),
    Column("folder", Text, comment="of that repository"),
    Column("state", Text, nullable=False, comment="wanted, sending, unsure, done or refused"),
    Column("thread_id", BigInteger, comment="the topic, once known"),
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger, comment="when Telegram was last asked to make it"),
    UniqueConstraint("bot_id", "update_id"),
)
Index(
    "ix_topic_requests_open",
    topic_requests.c.bot_id,
    topic_requests.c.chat_id,
    sqlite_where=topic_requests.c.thread_id.is_(None),
    postgresql_where=topic_requests.c.thread_id.is_(None),
)
