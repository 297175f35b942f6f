"""Tables of what goes out: messages, their parts, and callbacks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, text

from wireroom.store.schema.base import metadata, serial

deliveries = Table(
    "deliveries",
    metadata,
    serial(),
    Column("run_id", Text, ForeignKey("runs.id"), comment="NULL for a notice that no run asked for"),
    Column("lane", Text, nullable=False),
    Column("bot_id", BigInteger, nullable=False),
    Column("chat_id", BigInteger, nullable=False),
    Column("thread_id", BigInteger),
    Column("reply_to", BigInteger),
    Column("state", Text, nullable=False, comment="waiting (no body yet), pending, sent, dead, discarded"),
    Column("opening", Text, nullable=False, comment="what the placeholder says until the body is known"),
    Column("body", Text, comment="the answer as Markdown"),
    Column("buttons", Text, comment="JSON: rows of {text, data}"),
    Column("error", Text),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("sent_at", BigInteger),
    Column("left_topic", Text, comment="name of the topic that it could not be sent to, or empty"),
)
Index("ix_deliveries_run", deliveries.c.run_id)
Index("ix_deliveries_state", deliveries.c.state, deliveries.c.id)

delivery_parts = Table(
    "delivery_parts",
    metadata,
    Column("delivery_id", BigInteger, ForeignKey("deliveries.id"), primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False, comment="text or document"),
    Column("content", Text, comment="JSON of the rendered part; NULL while only the placeholder is wanted"),
    Column("state", Text, nullable=False, comment="see delivery.plan.PartState"),
    Column("message_id", BigInteger, comment="the chat message this part lives in, once known"),
    Column(
        "doubt",
        Integer,
        nullable=False,
        server_default=text("0"),
        comment="1: an earlier placeholder may stand in the chat, unrecorded; 2: and was looked for once",
    ),
    Column("sent_after", BigInteger, comment="the highest message id known when it was last placed"),
    Column("lost_after", Text, comment="that of earlier sends which may have left a message, in a row"),
    Column(
        "replaces", BigInteger, comment="message id of an earlier placeholder, deleted once this one stands"
    ),
    Column("error", Text),
    Column("updated_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "ix_delivery_parts_message",
    delivery_parts.c.message_id,
    sqlite_where=delivery_parts.c.message_id.isnot(None),
    postgresql_where=delivery_parts.c.message_id.isnot(None),
)

callbacks = Table(
    "callbacks",
    metadata,
    serial(),
    Column("run_id", Text, ForeignKey("runs.id")),
    Column("url", Text, nullable=False, comment="without the secret that its caller may have put into it"),
    Column("secret", Text, comment="that secret"),
    Column("payload", Text, comment="JSON; NULL while the run works"),
    Column(
        "state",
        Text,
        nullable=False,
        comment="waiting (its run works), pending, sending, sent, dead, discarded",
    ),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("status_code", Integer, comment="the last answer's"),
    Column("error", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, comment="when it is tried next"),
    Column("sent_at", BigInteger),
)
Index("ix_callbacks_run", callbacks.c.run_id)
Index("ix_callbacks_state", callbacks.c.state, callbacks.c.id)
