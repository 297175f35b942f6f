"""What a chat shows when the sender meets trouble: against a real database, queue and Bot API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, text

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.topics import Topic, TopicKey, find_topic, note_topic
from wireroom.delivery import outbox
from wireroom.delivery.high_water import HighWater
from wireroom.delivery.lanes import LaneRules, Lanes
from wireroom.delivery.live import LiveLine, LiveSigns
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.outgoing import load_outgoing, mark_part, move_chat
from wireroom.delivery.permits import MemoryPermits, Permits
from wireroom.delivery.plan import Doubt, PartState
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import ACTS_WITHIN_SECONDS, Strays
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.methods import EditMessageText, SendMessage
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, Hang, broken, flooded, rejected
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
LONG = "A sentence of the answer.\n\n" * 250
"""Two messages."""


@dataclass(frozen=True, slots=True)
class Post:
    """A sender at work, its database, and the chat that it writes to."""

    telegram: BotAPIServer
    engine: Engine
    client: TelegramClient
    strays: Strays
    permits: Permits
    chat: Chat

    def to(self, reply_to: int | None = None) -> Recipient:
        """Return the recipient in the chat."""
        return Recipient("lane", 123456, self.chat.id, None, reply_to)

    async def notify(self, body: str, reply_to: int | None = None) -> int:
        """Send a message and return its delivery's id."""
        to = self.to(reply_to)
        return int(
            await self.write(
                lambda conn: outbox.send_notice(conn, self.engine.jobs, to, body, now_ms=_now_ms())
            )
        )

    async def open(self, run_id: str, reply_to: int) -> int:
        """Open the delivery of a new run and return its id."""

        def unit(conn: Connection) -> int:
            _add_run(conn, run_id)
            return outbox.open_delivery(
                conn, self.engine.jobs, self.to(reply_to), opening="⏳", run_id=run_id, now_ms=_now_ms()
            )

        return int(await self.write(unit))

    async def fill(self, run_id: str, body: str) -> None:
        """Give the run its answer."""
        await self.write(lambda conn: outbox.fill_delivery(conn, self.engine.jobs, run_id, body))

    async def write(self, unit: Callable[[Connection], Any]) -> Any:
        """Write a unit of work."""
        return await self.engine.db.write(unit)

    async def value(self, sql: str, **values: Any) -> Any:
        """Return the first column of the first row."""
        return await self.engine.db.read(lambda conn: conn.execute(text(sql), values).scalar())

    async def becomes(self, sql: str, wanted: object) -> None:
        """Wait until the first column of the first row is what is wanted."""

        async def is_so() -> bool:
            return bool(await self.value(sql) == wanted)

        await eventually(is_so, f"{sql} gives {wanted}", timeout_seconds=15)

    async def placed(self) -> int:
        """Wait for the only placeholder and return its message id."""
        await self.becomes("SELECT state FROM delivery_parts", "placed")
        return int(await self.value("SELECT message_id FROM delivery_parts"))

    def texts(self) -> list[str]:
        """Return what stands in the chat from the bot, oldest first."""
        return [message.text for message in self.telegram.visible(self.chat) if message.from_bot]


_RUN = """
    INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state,
        queued_at)
    VALUES (:id, :id, 'c', 'lane', 'telegram', 'x', 'demo', '/', 'running', 1)
"""
_CONVERSATION = """
    INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
    VALUES ('c', 'telegram', 'lane', 1, '/', 1, 1)
"""


def _now_ms() -> int:
    return to_ms(SystemClock().now())


def _add_run(conn: Connection, run_id: str) -> None:
    conn.execute(text(_CONVERSATION))
    conn.execute(text(_RUN), {"id": run_id})


@asynccontextmanager
async def _posted(folder: Path, policy: SenderPolicy) -> AsyncIterator[Post]:
    settings = Settings(data_dir=folder)
    fast = LaneRules(chat_spacing_seconds=0.001, edit_spacing_seconds=0.001, overall_limit=1000)
    async with (
        BotAPIServer() as telegram,
        open_engine(settings, SystemClock()) as engine,
        aiohttp.ClientSession() as session,
    ):
        client, strays = TelegramClient(telegram.token, session, telegram.url), Strays()
        permits = MemoryPermits(Lanes(fast), SystemClock())
        sender = Sender(
            client=client,
            db=engine.db,
            jobs=engine.jobs,
            clock=SystemClock(),
            permits=permits,
            strays=strays,
            policy=policy,
            draw=lambda: 0.0,
        )
        task = asyncio.create_task(engine.worker.run({outbox.KIND: sender.handle}))
        try:
            yield Post(
                telegram, engine, client, strays, permits, telegram.private_chat(telegram.user(7, "Ada"))
            )
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def post(database_path: Path) -> AsyncIterator[Post]:
    """Lend a sender that gives up early."""
    async with _posted(database_path.parent, SenderPolicy(max_attempts=2, max_crashes=1)) as posted:
        yield posted


_STATE = "SELECT state FROM deliveries"
_DOUBT = "UPDATE delivery_parts SET doubt = 1, lost_after = :after"


async def test_further_parts_reply_to_the_first(post: Post) -> None:
    """The parts of a long answer hang together, whatever is said between them."""
    asked = post.telegram.message_id_of(await post.telegram.user_says(post.chat, "tell me"))
    await post.notify(LONG, asked)
    await post.becomes(_STATE, "sent")
    [first] = post.telegram.answers_to(asked, post.chat)
    assert first.text.startswith("A sentence")
    assert [part.text[:10] for part in post.telegram.answers_to(first.id, post.chat)] == ["A sentence"]


async def test_outage_longer_than_all_tries_is_waited_out(post: Post) -> None:
    """Server errors use up no more than half of the tries, so they make no dead letter."""
    rule = post.telegram.fault(broken(), method="sendMessage", count=2)
    await post.notify("hello")
    await post.becomes(_STATE, "sent")
    assert rule.hits == 2
    assert post.texts() == ["hello"]


async def test_message_that_an_outage_delays_is_not_overtaken(post: Post) -> None:
    """What is said while a message waits for Telegram to recover is shown below it."""
    rule = post.telegram.fault(broken(), method="sendMessage", count=2)
    await post.notify("first")
    await eventually(lambda: rule.hits == 2, "the outage is met twice")
    await post.notify("second")
    await post.becomes("SELECT count(*) FROM deliveries WHERE state = 'sent'", 2)
    assert post.texts() == ["first", "second"]


async def test_unexpected_error_makes_a_dead_letter_that_can_be_sent_again(post: Post) -> None:
    """A delivery that nobody can read ends in the list of dead letters; mended, it is sent by `--all`."""

    def unit(conn: Connection) -> None:
        outbox.send_notice(conn, post.engine.jobs, post.to(), "hello", now_ms=_now_ms())
        conn.execute(text("UPDATE delivery_parts SET content = '{'"))

    await post.write(unit)
    await post.becomes(_STATE, "dead")
    assert "DecodeError" in await post.value("SELECT error FROM deliveries")
    await post.write(lambda conn: conn.execute(text("UPDATE delivery_parts SET content = NULL")))
    assert await post.write(lambda conn: outbox.retry_all_dead(conn, post.engine.jobs)) == 1
    await post.becomes(_STATE, "sent")
    assert post.texts() == ["hello"]
    assert await post.write(lambda conn: outbox.retry_all_dead(conn, post.engine.jobs)) == 0


async def test_answer_is_shown_again_after_a_late_progress_edit(post: Post) -> None:
    """A progress edit that got no answer and lands on top of the answer does not stay there."""
    asked = post.telegram.message_id_of(await post.telegram.user_says(post.chat, "tell me"))
    await post.open("r1", asked)
    message_id = await post.placed()
    post.strays.note("r1", SystemClock().monotonic() - ACTS_WITHIN_SECONDS + 2)
    await post.fill("r1", "the answer")
    await eventually(lambda: post.texts() == ["the answer"], "it is shown at once", timeout_seconds=1.5)
    await post.client.call(
        EditMessageText(chat_id=post.chat.id, message_id=message_id, text="⏳ late progress")
    )
    await post.becomes(_STATE, "sent")
    assert post.texts() == ["the answer"]


async def test_progress_of_a_process_that_woke_up_is_not_shown_over_the_answer(post: Post) -> None:
    """Once the answer is known, by whomever, a line of progress that nobody has closed shows nothing more."""
    asked = post.telegram.message_id_of(await post.telegram.user_says(post.chat, "do it"))
    await post.open("r1", asked)
    await post.placed()
    signs = LiveSigns(post.client, post.engine.db, post.engine.jobs, SystemClock(), post.permits, post.strays)
    line = signs.open("r1")
    line.show("half")
    await eventually(lambda: post.texts() == ["half"], "progress is shown")

    await post.fill("r1", "The answer.")
    await post.becomes(_STATE, "sent")
    line.show("three quarters")
    assert isinstance(line, LiveLine)
    await eventually(lambda: line.task is None or line.task.done(), "the line has ended by itself")
    assert post.texts() == ["The answer."]
    await signs.close()


async def test_progress_edit_without_an_answer_is_remembered(post: Post) -> None:
    """A progress edit gives up after three seconds, sooner than it is cut off, and leaves a note."""
    await post.open("r1", 1)
    await post.placed()
    signs = LiveSigns(post.client, post.engine.db, post.engine.jobs, SystemClock(), post.permits, post.strays)
    spot = await signs.spot("r1")
    assert spot is not None
    post.telegram.fault(Hang(8), method="editMessageText")
    async with asyncio.timeout(5):
        assert await signs.edit("r1", spot, "half")
    assert post.strays.take("r1", SystemClock().monotonic()) > ACTS_WITHIN_SECONDS - 5


async def test_moved_chat_forgets_where_its_parts_stood(post: Post) -> None:
    """Message ids of a group mean nothing in the supergroup that it becomes."""
    delivery_id = await post.open("r1", 1)
    await post.placed()
    await post.write(lambda conn: conn.execute(text("UPDATE delivery_parts SET doubt = 1")))
    await post.write(lambda conn: move_chat(conn, 123456, post.chat.id, -1009))
    moved = await post.engine.db.read(lambda conn: load_outgoing(conn, delivery_id))
    assert moved is not None
    assert (moved.chat_id, moved.reply_to) == (-1009, None)
    [part] = moved.parts
    assert (part.state, part.message_id, part.doubt) == ("new", None, 0)


async def _sent_to(post: Post, forum: Chat, thread: int, body: str) -> None:
    """Send a notice to a topic."""
    to = Recipient("lane", 123456, forum.id, thread, None)
    await post.write(lambda conn: outbox.send_notice(conn, post.engine.jobs, to, body, now_ms=_now_ms()))


async def test_answer_of_a_closed_topic_comes_whole_in_the_chat(post: Post) -> None:
    """The topic closes between two messages of an answer: all of it stands in General, and says why."""
    forum = post.telegram.group("Team", forum=True)
    thread = await post.telegram.user_makes_topic(forum, "Shop_1", user=post.telegram.user(7))
    key = TopicKey(123456, forum.id, thread)
    await post.write(lambda conn: note_topic(conn, key, _now_ms(), name="Shop_1"))
    hold = post.telegram.hold("editMessageText", "after")
    await _sent_to(post, forum, thread, "one " * 1000 + "\n\n" + "two " * 1000)
    await hold.reached()
    forum.closed.add(thread)
    forum.bot_manages_topics = False
    hold.release()
    await post.becomes(_STATE, "sent")
    general = [seen.text for seen in post.telegram.visible(forum) if seen.thread is None]
    assert general[0].startswith("↪️ From the topic “Shop_1”, which is closed or gone:\n\none one")
    assert "".join(general).count("one") == "".join(general).count("two") + 1 == 1001
    topic = await post.engine.db.read(lambda conn: find_topic(conn, key))
    assert topic == Topic(thread, "Shop_1", "closed", is_project=False)


async def test_answer_of_a_deleted_topic_comes_in_the_chat(post: Post) -> None:
    """Also of a topic that nobody ever told the name of."""
    forum = post.telegram.group("Team", forum=True)
    await _sent_to(post, forum, 4711, "All is done.")
    await post.becomes(_STATE, "sent")
    [shown] = post.telegram.visible(forum)
    assert shown.text == "↪️ From a topic that is closed or gone:\n\nAll is done."
    assert shown.thread is None


async def test_closed_general_topic_makes_a_dead_letter(post: Post) -> None:
    """Where nothing can be written at all, the answer is kept and listed."""
    post.telegram.fault(rejected("TOPIC_CLOSED"), method="sendMessage", count=None)
    await post.notify("x")
    await post.becomes(_STATE, "dead")


async def _doubt(post: Post, others: int) -> None:
    """Leave a doubt about a placeholder that was sent after the first of `others` messages and one."""
    for number in range(1 + others):
        await post.telegram.user_says(post.chat, f"message {number}")
    first = post.telegram.visible(post.chat)[0].id
    delivery_id = await post.open("r1", first)
    await post.placed()

    def unit(conn: Connection) -> None:
        conn.execute(text(_DOUBT), {"after": first})
        post.engine.jobs.enqueue(conn, queue=outbox.QUEUE, kind=outbox.KIND, ref=str(delivery_id))

    await post.write(unit)
    await post.becomes("SELECT doubt FROM delivery_parts", Doubt.LOOKED)


async def test_search_for_lost_placeholders_looks_at_few_messages(post: Post) -> None:
    """A long way between question and placeholder costs four calls, not one for each message."""
    await _doubt(post, others=30)
    assert len(post.telegram.calls_of("editMessageText")) == 4


async def test_placeholder_lost_among_others_is_removed_once_the_answer_is_shown(post: Post) -> None:
    """Ten messages that nobody answered stand before it: the search after the answer reaches beyond them."""
    asked = post.telegram.message_id_of(await post.telegram.user_says(post.chat, "tell me"))
    for number in range(10):
        await post.telegram.user_says(post.chat, f"message {number}")
    await post.client.call(SendMessage(chat_id=post.chat.id, text="⏳ lost"))
    await post.telegram.user_says(post.chat, "one more")
    await post.open("r1", asked)
    await post.placed()
    await post.write(lambda conn: conn.execute(text(_DOUBT), {"after": asked}))
    await post.fill("r1", "the answer")
    await post.becomes(_STATE, "sent")
    assert post.texts() == ["the answer"]


async def test_each_send_that_got_no_answer_leaves_its_mark(post: Post) -> None:
    """A placeholder that is sent a third time is looked for after what was known at both sends before."""
    delivery_id = await post.open("r1", 1)
    await post.placed()

    def send_again(conn: Connection) -> None:
        for after in (5, 9):
            mark_part(conn, delivery_id, 0, PartState.SENDING, now_ms=0, sent_after=after)

    await post.write(send_again)
    out = await post.engine.db.read(lambda conn: load_outgoing(conn, delivery_id))
    assert out is not None
    assert (out.parts[0].doubt, out.parts[0].lost_after) == (Doubt.FRESH, [1, 5])
    assert await post.engine.db.read(lambda conn: HighWater().before(conn, out)) == out.parts[0].message_id


async def test_flood_ends_the_search_for_lost_placeholders(post: Post) -> None:
    """A search that is told to wait is not begun again."""
    post.telegram.fault(flooded(1), method="editMessageText", count=None)
    await _doubt(post, others=30)
    assert len(post.telegram.calls_of("editMessageText")) == 1
