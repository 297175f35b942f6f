"""Tables of conversations and their messages."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from wireroom.store.schema.base import metadata

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("channel", Text, nullable=False, comment="telegram, web or api"),
    Column(
        "lane", Text, nullable=False, comment="where it is held: telegram:<bot>:<chat>:<thread> or web:<name>"
    ),
    Column("is_current", Integer, nullable=False, comment="1 for the one that new messages of the lane join"),
    Column("title", Text, nullable=False, server_default=text("''")),
    Column("backend", Text, comment="the coding agent it is bound to, NULL for the default"),
    Column("workdir", Text, nullable=False),
    Column("session_id", Text, comment="the coding agent's own session, resumed by the next run"),
    Column("session_backend", Text, comment="the back end that session belongs to"),
    Column("session_workdir", Text, comment="the folder it belongs to, NULL for the conversation's"),
    Column("session_usage", Text, comment="JSON: figures that count that session from its beginning"),
    Column("message_count", Integer, nullable=False, server_default=text("0")),
    Column("summary", Text, comment="what was said before message summary_upto + 1, in short"),
    Column("summary_upto", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("active_at", BigInteger, nullable=False),
)
Index(
    "uq_conversations_current",
    conversations.c.lane,
    unique=True,
    sqlite_where=conversations.c.is_current == 1,
    postgresql_where=conversations.c.is_current == 1,
)
Index("ix_conversations_active", conversations.c.active_at)
Index("ix_conversations_lane", conversations.c.lane, conversations.c.active_at, conversations.c.id)

messages = Table(
    "messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("conversations.id"), primary_key=True),
    Column(
        "seq", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 … within the conversation"
    ),
    Column("role", Text, nullable=False, comment="user, assistant or system"),
    Column("content", Text, nullable=False),
    Column("run_id", Text),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

agent_conversations = Table(
    "agent_conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("agent_id", Text),
    Column("metadata", Text, comment="JSON, as the caller gave it"),
    Column("status", Text, nullable=False, server_default=text("'active'")),
    Column("message_count", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("active_at", BigInteger, nullable=False),
)
Index("ix_agent_conversations_created", agent_conversations.c.created_at, agent_conversations.c.id)
Index("ix_agent_conversations_active", agent_conversations.c.active_at, agent_conversations.c.id)
Index("ix_agent_conversations_count", agent_conversations.c.message_count, agent_conversations.c.id)

agent_messages = Table(
    "agent_messages",
    metadata,
    Column("conversation_id", Text, ForeignKey("agent_conversations.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("source", Text, nullable=False, server_default=text("'text'")),
    Column("extra", Text, comment="JSON: message_id, tool_name, tool_args, tool_output, as far as given"),
    Column("created_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
