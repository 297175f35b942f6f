"""Tables of what the processes of one installation share for moments: send lanes and budgets of callers.

Used on PostgreSQL; a SQLite file has one process that does the work, which keeps all of it in memory.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Table, Text, text

from wireroom.store.schema.base import metadata

send_lanes = Table(
    "send_lanes",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False, comment="JSON: delivery.lanes.BotClock"),
    Column(
        "latest_at",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="of the last decision, by the lanes' own clock",
    ),
    Column(
        "ahead_ms",
        BigInteger,
        nullable=False,
        server_default=text("0"),
        comment="how far that clock, which never runs backwards, is ahead of the database's",
    ),
)

send_lane_chats = Table(
    "send_lane_chats",
    metadata,
    Column("bot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("chat_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False, comment="JSON: delivery.lanes.ChatClock"),
    Column("idle_at", BigInteger, nullable=False, comment="from then on the row says nothing"),
    sqlite_with_rowid=False,
)

request_budgets = Table(
    "request_budgets",
    metadata,
    Column("budget", Text, primary_key=True, comment="whose rule; see api.budgets"),
    Column("caller", Text, primary_key=True, comment="a keyed digest of the name, address or session"),
    Column("empty_us", BigInteger, nullable=False, comment="microseconds, by the database's clock"),
    sqlite_with_rowid=False,
)
