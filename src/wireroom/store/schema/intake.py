"""Tables of what comes in, and of who may send it."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text, UniqueConstraint, text

from wireroom.store.schema.base import metadata, serial

updates = Table(
    "updates",
    metadata,
    serial(),
    Column("bot_id", BigInteger, nullable=False),
    Column("update_id", BigInteger, nullable=False),
    Column(
        "kind", Text, nullable=False, comment="message, edited_message, callback_query or the field's name"
    ),
    Column("lane", Text, nullable=False, comment="telegram:<bot>:<chat>:<thread>; order is kept within it"),
    Column("payload", Text, comment="the update as JSON; NULL in a tombstone"),
    Column("state", Text, nullable=False, comment="received, done, ignored, refused, dead, discarded"),
    Column("reason", Text, comment="why it was ignored, refused or given up"),
    Column("received_at", BigInteger, nullable=False),
    Column("handled_at", BigInteger),
    UniqueConstraint("bot_id", "update_id"),
)
Index(
    "ix_updates_dead",
    updates.c.id,
    sqlite_where=updates.c.state == "dead",
    postgresql_where=updates.c.state == "dead",
)
Index(
    "ix_updates_tombstones",
    updates.c.handled_at,
    sqlite_where=updates.c.payload.isnot(None),
    postgresql_where=updates.c.payload.isnot(None),
)

polling_offsets = Table(
    "polling_offsets",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("next_update_id", BigInteger, nullable=False),
)

people = Table(
    "people",
    metadata,
    serial(),
    Column("bot_id", BigInteger, nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("name", Text, nullable=False, server_default=text("''")),
    Column("role", Text, nullable=False, comment="owner, member or stranger; a stranger was told no once"),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("bot_id", "user_id"),
)

access_codes = Table(
    "access_codes",
    metadata,
    Column(
        "digest", Text, primary_key=True, comment="SHA-256 of the code, hex; the code itself is never stored"
    ),
    Column("purpose", Text, nullable=False, comment="pairing or login"),
    Column("role", Text, comment="of a login code: what the session may do, owner or viewer"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

page_accounts = Table(
    "page_accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("password_hash", Text, nullable=False, comment="argon2id, with its salt and parameters"),
    Column("role", Text, nullable=False, comment="owner or viewer"),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False, comment="of the password or the role"),
)

page_sessions = Table(
    "page_sessions",
    metadata,
    Column("digest", Text, primary_key=True, comment="SHA-256 of the cookie's token, hex"),
    Column("id", Text, nullable=False, comment="what people name it by; it opens nothing"),
    Column("account", Text, comment="NULL: begun by a login link"),
    Column("role", Text, nullable=False, comment="owner or viewer"),
    Column("browser", Text, nullable=False, comment="browser and system in a few words, as it said itself"),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False, comment="to within a few minutes"),
    Column("expires_at", BigInteger, nullable=False),
    UniqueConstraint("id"),
)

audit = Table(
    "audit",
    metadata,
    serial(),
    Column("created_at", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text),
)
Index("ix_audit_who", audit.c.who, audit.c.id)
Index("ix_audit_action", audit.c.action, audit.c.id)
Index("ix_audit_created", audit.c.created_at)

_NOW = text("CURRENT_TIMESTAMP")
