"""What people chose for a chat is kept, on both databases."""

from __future__ import annotations

from sqlalchemy import Connection, text

from wireroom.conversations.chat_settings import ChatSettings, change_chat_settings, read_chat_settings
from wireroom.store.database import Database

LANE, TOPIC = "telegram:1:5:0", "telegram:1:5:9"


async def test_chat_settings_keep_what_is_not_changed(db: Database) -> None:
    """A change keeps the lane's other choices and its digest; another lane has none of them."""
    assert await db.read(lambda conn: read_chat_settings(conn, LANE)) == ChatSettings()
    await db.write(lambda conn: change_chat_settings(conn, LANE, 1, models={"claude": "opus"}, busy="steer"))
    await db.write(lambda conn: conn.execute(text("UPDATE chat_settings SET digest_due_at = 77")).rowcount)
    told = await db.write(lambda conn: change_chat_settings(conn, LANE, 2, effort="high", busy=None))
    assert told == ChatSettings(models={"claude": "opus"}, effort="high")
    assert await db.read(lambda conn: read_chat_settings(conn, LANE)) == told
    assert await db.read(lambda conn: read_chat_settings(conn, TOPIC)) == ChatSettings()
    assert await db.read(_digest_of_the_only_row) == 77


async def test_chat_settings_of_a_newer_release_are_read(db: Database) -> None:
    """A field that this release does not know is passed over."""

    def unit(conn: Connection) -> None:
        change_chat_settings(conn, LANE, 1, effort="low")
        conn.execute(text("""UPDATE chat_settings SET choices = '{"effort": "low", "mood": 3}'"""))

    await db.write(unit)
    assert await db.read(lambda conn: read_chat_settings(conn, LANE)) == ChatSettings(effort="low")


def _digest_of_the_only_row(conn: Connection) -> int:
    found: int = conn.execute(text("SELECT digest_due_at FROM chat_settings")).scalar_one()
    return found
