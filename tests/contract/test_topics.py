"""What is known of topics and groups: one suite on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import Connection, text

from wireroom.conversations.chat_settings import change_chat_settings, read_chat_settings
from wireroom.conversations.threads import NewConversation, begin_conversation, find_current
from wireroom.conversations.topics import (
    CLOSED,
    GONE,
    Topic,
    TopicKey,
    find_topic,
    note_state,
    note_topic,
    topics_of_chat,
)
from wireroom.intake.moved_groups import follow_group
from wireroom.store.database import Database
from wireroom.store.postgres import PostgresDatabase
from wireroom.store.sqlite import SqliteDatabase

KEY = TopicKey(1, -1002, 5)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def db(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """Lend an empty database of each kind."""
    if request.param == "sqlite":
        database: Database = SqliteDatabase(request.getfixturevalue("database_path"))
        yield database
        await database.close()
        return
    with request.getfixturevalue("postgres").database() as url:
        database = PostgresDatabase(url)
        yield database
        await database.close()


async def test_topic_keeps_what_is_not_told_anew(db: Database) -> None:
    """A name stays until another is told, a project stays one, and what is gone is listed no more."""

    def unit(conn: Connection) -> None:
        note_topic(conn, KEY, 1, is_project=True)
        note_topic(conn, KEY, 2, name="Shop")
        note_topic(conn, KEY, 3)
        assert find_topic(conn, KEY) == Topic(5, "Shop", "open", is_project=True)
        note_topic(conn, TopicKey(1, -1002, 9), 4, name="Till", state=CLOSED)
        assert [topic.name for topic in topics_of_chat(conn, 1, -1002)] == ["Shop", "Till"]
        note_state(conn, KEY, GONE)
        assert [topic.name for topic in topics_of_chat(conn, 1, -1002)] == ["Till"]
        assert find_topic(conn, TopicKey(2, -1002, 5)) is None

    await db.write(unit)


async def test_group_that_moved_keeps_its_conversation_and_choices(db: Database) -> None:
    """Told twice, as Telegram does, of a group's new id: the lane goes on under it, once."""

    def unit(conn: Connection) -> None:
        begin_conversation(conn, NewConversation("c-1", "telegram", "telegram:1:-5:0", "/w"), 1)
        change_chat_settings(conn, "telegram:1:-5:0", 1, repository="shop")
        for _ in range(2):
            follow_group(conn, 1, -5, -1007)
        moved = find_current(conn, "telegram:1:-1007:0")
        assert moved is not None
        assert moved.id == "c-1"
        assert find_current(conn, "telegram:1:-5:0") is None
        assert read_chat_settings(conn, "telegram:1:-1007:0").repository == "shop"

    await db.write(unit)


async def test_conversation_begun_under_the_new_id_goes_on(db: Database) -> None:
    """A message of the supergroup that came before the news keeps its conversation; the old one is kept."""

    def unit(conn: Connection) -> None:
        for name, lane in (("old", "telegram:1:-5:0"), ("new", "telegram:1:-1007:0")):
            begin_conversation(conn, NewConversation(name, "telegram", lane, "/w"), 1)
        follow_group(conn, 1, -5, -1007)
        current = find_current(conn, "telegram:1:-1007:0")
        assert current is not None
        assert current.id == "new"
        lanes = conn.execute(text("SELECT DISTINCT lane FROM conversations")).scalars().all()
        assert lanes == ["telegram:1:-1007:0"]

    await db.write(unit)
