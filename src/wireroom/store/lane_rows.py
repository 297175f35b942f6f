"""The statements of the send lanes that all processes of a bot share, on PostgreSQL.

One transaction takes the bot's row under a lock, reads the chats asked for, and writes both back; what the
rows say is decided by `delivery.lanes` alone. Times are milliseconds of the lanes' own clock: the database's,
moved on by `ahead_ms` so that it never runs backwards, not even when the server's is set back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

_LOCK_MS = 3000
_IDLE_MS = 2000

# First of all the transaction's own settings. A process that is frozen or cut off while it holds the lock
# must not hold up all others: the server ends its transaction. Who waits for the lock gives up in time, too.
LOCK = text(f"""
WITH rules AS MATERIALIZED (
    SELECT set_config('lock_timeout', '{_LOCK_MS}', true) AS lock_timeout,
        set_config('idle_in_transaction_session_timeout', '{_IDLE_MS}', true),
        set_config('synchronous_commit',
            CASE WHEN :is_durable THEN current_setting('synchronous_commit') ELSE 'off' END, true))
SELECT lanes.state, lanes.latest_at, lanes.ahead_ms FROM rules
CROSS JOIN LATERAL (
    SELECT state, latest_at, ahead_ms FROM send_lanes
    WHERE bot_id = :bot_id AND rules.lock_timeout IS NOT NULL FOR UPDATE) AS lanes
""")

BEGIN_BOT = text("INSERT INTO send_lanes (bot_id, state) VALUES (:bot_id, '{}') ON CONFLICT DO NOTHING")

# A statement of its own, and so with a snapshot of its own, from after the lock. There is always a row.
READ = text("""
SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS bigint), chats.chat_id, chats.state
FROM (SELECT 1) AS one LEFT JOIN send_lane_chats AS chats
    ON chats.bot_id = :bot_id AND chats.chat_id = ANY(CAST(:chat_ids AS bigint[]))
""")

WRITE = text("""
WITH chats AS (
    INSERT INTO send_lane_chats (bot_id, chat_id, state, idle_at)
    SELECT :bot_id, one.chat_id, one.state, one.idle_at
    FROM unnest(CAST(:chat_ids AS bigint[]), CAST(:states AS text[]), CAST(:idle_ats AS bigint[]))
        AS one(chat_id, state, idle_at)
    ON CONFLICT (bot_id, chat_id) DO UPDATE SET state = excluded.state, idle_at = excluded.idle_at)
UPDATE send_lanes SET state = :state, latest_at = :latest_at, ahead_ms = :ahead_ms WHERE bot_id = :bot_id
""")

# Chats that no rule has held back for a minute; the lanes' clock is asked of the bot's row. It waits for no
# row, so it is never part of a deadlock.
FORGET = text("""
WITH idle AS (
    SELECT chats.bot_id, chats.chat_id FROM send_lane_chats AS chats
    JOIN send_lanes AS lanes ON lanes.bot_id = chats.bot_id
    WHERE chats.idle_at < extract(epoch FROM now()) * 1000 + lanes.ahead_ms - 60000
    FOR UPDATE OF chats SKIP LOCKED)
DELETE FROM send_lane_chats AS chats USING idle
WHERE chats.bot_id = idle.bot_id AND chats.chat_id = idle.chat_id
""")


@dataclass(frozen=True, slots=True)
class LaneRows:
    """The rows under the lock."""

    now_ms: int
    """By the lanes' clock, never less than at an earlier look."""
    ahead_ms: int
    """How far that is ahead of the database's."""
    bot: str
    """JSON of `delivery.lanes.BotClock`."""
    chats: Mapping[int, str]
    """JSON of `delivery.lanes.ChatClock` of each chat that there is a row of."""


@dataclass(frozen=True, slots=True)
class ChatRow:
    """A chat's row as it is to be."""

    chat_id: int
    state: str
    idle_at: int


def lock_lanes(conn: Connection, bot_id: int, chat_ids: Sequence[int], *, is_durable: bool) -> LaneRows:
    """Return the bot's lanes with these chats, locked until the transaction's end.

    Args:
        conn: A transaction of its own.
        bot_id: Whose lanes.
        chat_ids: The chats that are asked for.
        is_durable: Whether the commit must outlive a crash of the server. A permit need not: it is over in a
            second. A flood wait may last for minutes.

    Raises:
        OperationalError: another process has held the lock for three seconds.
    """
    wanted = {"bot_id": bot_id, "is_durable": is_durable}
    row = conn.execute(LOCK, wanted).first()
    if row is None:
        conn.execute(BEGIN_BOT, {"bot_id": bot_id})
        row = conn.execute(LOCK, wanted).one()
    state, latest_at, ahead_ms = row
    found = conn.execute(READ, {"bot_id": bot_id, "chat_ids": list(chat_ids)}).all()
    database_ms: int = found[0][0]
    ahead_ms = max(ahead_ms, latest_at - database_ms)
    chats = {chat_id: chat for _, chat_id, chat in found if chat_id is not None}
    return LaneRows(database_ms + ahead_ms, ahead_ms, state, chats)


def write_lanes(conn: Connection, bot_id: int, rows: LaneRows, bot: str, chats: Sequence[ChatRow]) -> None:
    """Write the bot's lanes and these chats' back, in the transaction that has locked them."""
    conn.execute(
        WRITE,
        {
            "bot_id": bot_id,
            "state": bot,
            "latest_at": rows.now_ms,
            "ahead_ms": rows.ahead_ms,
            "chat_ids": [chat.chat_id for chat in chats],
            "states": [chat.state for chat in chats],
            "idle_ats": [chat.idle_at for chat in chats],
        },
    )


def forget_idle_chats(conn: Connection) -> int:
    """Remove the chats that nothing holds back; return how many there were."""
    return conn.execute(FORGET).rowcount
