"""What is known of topics and groups: one suite on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

from wireroom.conversations.chat_settings import change_chat_settings, read_chat_settings
from wireroom.conversations.threads import NewConversation, begin_conversation, find_current
from wireroom.conversations.topics import (
    CLOSED,
    GONE,
    Topic,
    TopicKey,
    find_topic,
    names_of_lanes,
    note_state,
    note_topic,
    topics_of_chat,
)
from wireroom.delivery.left_topics import leave_topic
from wireroom.delivery.outbox import Recipient, send_notice
from wireroom.delivery.outgoing import load_outgoing, mark_part, store_parts
from wireroom.delivery.parts import TextPart
from wireroom.delivery.plan import PartState
from wireroom.intake.moved_groups import follow_group
from wireroom.intake.topic_requests import (
    SENDING,
    UNSURE,
    NewTopic,
    load_wanted,
    look_again,
    mark_wanted,
    settle,
    unclaimed_topic,
    want_again,
    want_topic,
)
from wireroom.intake.update import Place
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.store.database import Database

KEY = TopicKey(1, -1002, 5)


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


async def test_lanes_are_called_by_their_topics(db: Database) -> None:
    """One question for many lanes: those that are topics with a name have it, the others are left out."""

    def unit(conn: Connection) -> None:
        note_topic(conn, KEY, 1, name="Shop")
        note_topic(conn, TopicKey(1, -1002, 9), 1)
        lanes = [f"telegram:1:-1002:{thread}" for thread in (0, 5, 9, 11)] + ["web:main", "task:3"]
        assert names_of_lanes(conn, lanes) == {"telegram:1:-1002:5": "Shop"}
        assert names_of_lanes(conn, ["web:main"]) == {}

    await db.write(unit)


class _NoJobs(EmbeddedJobs):
    """Remembers what would be done."""

    def __init__(self) -> None:
        self.refs: list[str] = []

    def enqueue(self, conn: Connection, **job: Any) -> bool:
        """Note the job."""
        del conn
        self.refs.append(job["ref"])
        return True


async def test_topic_is_wanted_once_and_settled_once(db: Database) -> None:
    """One message wants one topic, which is one thread, also when the news comes before the answer."""
    jobs, to = _NoJobs(), Recipient("telegram:1:-1002:0", 1, -1002, None, 3)
    shop = NewTopic("Shop", "shop", "/shop")

    def unit(conn: Connection) -> None:
        for _ in range(2):
            want_topic(conn, jobs, to, shop, update_id=9, now_ms=1)
        [ref] = jobs.refs
        row_id = int(ref.removeprefix("new."))
        mark_wanted(conn, row_id, SENDING, sent_at=2)
        wanted = load_wanted(conn, row_id)
        assert wanted is not None
        assert (wanted.state, wanted.sent_at, wanted.asked_in) == (SENDING, 2, to)
        assert unclaimed_topic(conn, wanted) is None
        note_topic(conn, KEY, 3, name="Shop", made_by_bot=True)
        assert unclaimed_topic(conn, wanted) == 5
        mark_wanted(conn, row_id, UNSURE)
        look_again(conn, jobs, Place(-1002, 5, 5), 1, "Shop")
        assert jobs.refs == [ref, ref]
        assert [settle(conn, row_id, 5), settle(conn, row_id, 5)] == [True, False]
        assert unclaimed_topic(conn, wanted) is None
        assert not want_again(conn, jobs, row_id, to)

    await db.write(unit)


async def test_delivery_that_leaves_its_topic_begins_anew(db: Database) -> None:
    """It loses thread, reply and parts, and remembers the name of what it left."""
    jobs, to = _NoJobs(), Recipient("telegram:1:-1002:5", 1, -1002, 5, 3)

    def unit(conn: Connection) -> None:
        note_topic(conn, KEY, 1, name="Shop")
        delivery_id = send_notice(conn, jobs, to, "Done.", now_ms=1)
        store_parts(conn, delivery_id, [TextPart("one"), TextPart("two")], 1)
        mark_part(conn, delivery_id, 0, PartState.PLACED, now_ms=1, message_id=77)
        leave_topic(conn, delivery_id, KEY, 2, is_closed=False, is_cut=True)
        out = load_outgoing(conn, delivery_id)
        assert out is not None
        assert (out.thread_id, out.reply_to, len(out.parts)) == (None, None, 1)
        assert (out.parts[0].state, out.parts[0].message_id, out.parts[0].content) == ("new", None, None)
        assert out.body == "↪️ From the topic “Shop”\\, which is closed or gone\\:\n\nDone."
        topic = find_topic(conn, KEY)
        assert topic is not None
        assert topic.state == GONE

    await db.write(unit)
