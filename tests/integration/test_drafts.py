"""What a chat shows while an agent writes: against a real database, queue and Bot API server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, text

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock, to_ms
from wireroom.conversations.chat_settings import change_chat_settings
from wireroom.delivery import outbox
from wireroom.delivery.lanes import LaneRules, Lanes
from wireroom.delivery.live import LiveLine, LiveSigns
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.permits import MemoryPermits
from wireroom.delivery.sender import Sender, SenderPolicy
from wireroom.delivery.strays import Strays
from wireroom.delivery.takeover import place_anew
from wireroom.settings import Settings
from wireroom.telegram.client import TelegramClient
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Change, Chat, Refuse, Sighting, broken, flooded, rejected
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
LANE = "telegram:123456:7:0"
HEAD = "⏳ Working …"
TABLE = "| a | b |\n|---|---|\n| 1 | 2 |"
_RUN = """
    INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state,
        queued_at)
    VALUES (:id, :id, 'c', :lane, 'telegram', 'x', 'demo', '/', 'running', :now_ms)
"""
_CONVERSATION = """
    INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
    VALUES ('c', 'telegram', 'lane', 1, '/', 1, 1)
"""


@dataclass(frozen=True, slots=True)
class Desk:
    """A sender and its signs at work, and the chat that they write to."""

    telegram: BotAPIServer
    engine: Engine
    signs: LiveSigns
    chat: Chat

    async def write(self, unit: Callable[[Connection], Any]) -> Any:
        """Write a unit of work."""
        return await self.engine.db.write(unit)

    async def begin(self) -> LiveLine:
        """Open the delivery of a run, wait for its placeholder, and begin to show progress."""

        def unit(conn: Connection) -> None:
            conn.execute(text(_CONVERSATION))
            self.accept(conn, "r1")

        await self.write(unit)
        await eventually(lambda: self.texts() == ["⏳ Accepted …"], "the placeholder stands")
        line = self.signs.open("r1")
        assert isinstance(line, LiveLine)
        return line

    def accept(self, conn: Connection, run_id: str) -> None:
        """Store a run and open its delivery. A unit of work."""
        to = Recipient(LANE, 123456, self.chat.id)
        now_ms = _now_ms()
        conn.execute(text(_RUN), {"id": run_id, "lane": LANE, "now_ms": now_ms})
        outbox.open_delivery(
            conn, self.engine.jobs, to, opening="⏳ Accepted …", run_id=run_id, now_ms=now_ms
        )

    async def end(self, body: str) -> None:
        """Give the run its answer, and wait until the chat shows it."""
        await self.write(lambda conn: outbox.fill_delivery(conn, self.engine.jobs, "r1", body))

        async def is_sent() -> bool:
            return bool(await self.value("SELECT state FROM deliveries") == "sent")

        await eventually(is_sent, "the answer is shown")

    async def value(self, sql: str) -> Any:
        """Return the first column of the first row."""
        return await self.engine.db.read(lambda conn: conn.execute(text(sql)).scalar())

    def texts(self) -> list[str]:
        """Return what stands in the chat from the bot, oldest first."""
        return [message.text for message in self.telegram.visible(self.chat) if message.from_bot]

    def drafts(self) -> list[str]:
        """Return the drafts that are seen."""
        return [draft.text for draft in self.telegram.drafts(self.chat)]


def _now_ms() -> int:
    return to_ms(SystemClock().now())


@asynccontextmanager
async def _desk(folder: Path, chat: Callable[[BotAPIServer], Chat]) -> AsyncIterator[Desk]:
    fast = LaneRules(chat_spacing_seconds=0.001, edit_spacing_seconds=0.001, overall_limit=1000)
    clock = SystemClock()
    async with (
        BotAPIServer() as telegram,
        open_engine(Settings(data_dir=folder), clock) as engine,
        aiohttp.ClientSession() as session,
    ):
        client, strays = TelegramClient(telegram.token, session, telegram.url), Strays()
        permits = MemoryPermits(Lanes(fast), clock)
        sender = Sender(
            client=client,
            db=engine.db,
            jobs=engine.jobs,
            clock=clock,
            permits=permits,
            strays=strays,
            policy=SenderPolicy(),
            draw=lambda: 0.0,
        )
        signs = LiveSigns(client, engine.db, engine.jobs, clock, permits, strays, renew_seconds=2.5)
        async with _working(engine, sender):
            yield Desk(telegram, engine, signs, chat(telegram))
            await signs.close()


@asynccontextmanager
async def _working(engine: Engine, sender: Sender) -> AsyncIterator[None]:
    task = asyncio.create_task(engine.worker.run({outbox.KIND: sender.handle}), name="jobs")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _ada(telegram: BotAPIServer) -> Chat:
    return telegram.private_chat(telegram.user(7, "Ada"))


@pytest.fixture
async def desk(database_path: Path) -> AsyncIterator[Desk]:
    """Lend a desk whose chat is private."""
    async with _desk(database_path.parent, _ada) as lent:
        yield lent


def _fewest_standing(sightings: list[Sighting], bot_id: int) -> int:
    """Return how few messages of the bot stood in the chat at any time since the first."""
    standing: set[int] = set()
    fewest = 1
    for one in sightings:
        if one.sender_id != bot_id or one.change is Change.DRAFT:
            continue
        (standing.discard if one.change is Change.DELETED else standing.add)(one.message_id)
        fewest = min(fewest, len(standing))
    return fewest


async def test_answer_takes_the_place_of_draft_and_placeholder(desk: Desk) -> None:
    """A draft shows all, the placeholder the head with a button; the answer is a new message, and alone."""
    line = await desk.begin()
    line.show(f"{HEAD}\n\n{TABLE}")
    await eventually(lambda: desk.drafts() == [f"{HEAD}\na\tb\n1\t2"], "the draft is seen")
    line.show(f"{HEAD}\n\n{TABLE}\n\nSo it is.")
    await eventually(lambda: "So it is." in "".join(desk.drafts()), "the draft grows")
    [draft] = desk.telegram.drafts(desk.chat)
    assert (draft.draft_id, draft.can_stop) == (await desk.value("SELECT id FROM deliveries"), True)
    assert [block["type"] for block in draft.blocks] == ["thinking", "table", "paragraph"]
    [placed] = [one for one in desk.telegram.visible(desk.chat) if one.from_bot]
    assert (placed.text, [one.text for row in placed.buttons for one in row]) == (HEAD, ["⏹ Stop"])
    await line.close()
    await desk.end("The answer.")
    assert (desk.texts(), desk.drafts()) == (["The answer."], [])
    assert await desk.value("SELECT replaces FROM delivery_parts") is None
    sightings = desk.telegram.sightings(desk.chat)
    assert len({one.message_id for one in sightings if one.text == "The answer."}) == 1
    assert _fewest_standing(sightings, desk.telegram.bot.id) == 1


async def test_refused_drafts_fall_back_step_by_step_and_for_good(desk: Desk) -> None:
    """A server that is too old for rich drafts gets drafts, a chat that takes none gets edits as before."""
    desk.telegram.fault(Refuse(404, "Not Found: method not found"), method="sendRichMessageDraft", count=None)
    line = await desk.begin()
    line.show(f"{HEAD}\n\none")
    await eventually(lambda: desk.drafts() == [f"{HEAD}\n\none"], "a draft of text is seen")
    desk.telegram.fault(rejected("TEXTDRAFT_PEER_INVALID"), method="sendMessageDraft", count=None)
    line.show(f"{HEAD}\n\none two")
    await eventually(lambda: desk.texts() == [f"{HEAD}\n\none two"], "the placeholder is edited")
    line.show(f"{HEAD}\n\none two three")
    await eventually(lambda: desk.texts() == [f"{HEAD}\n\none two three"], "and edited again")
    await line.close()
    await desk.end("The answer.")
    assert desk.texts() == ["The answer."]
    assert len(desk.telegram.calls_of("sendRichMessageDraft")) == 1
    assert len(desk.telegram.calls_of("sendMessageDraft")) == 2
    assert desk.telegram.calls_of("deleteMessage") == []


async def test_drafts_keep_flood_waits_and_are_renewed(desk: Desk) -> None:
    """A 429 closes the chat and costs no way of showing; a draft without news is shown again by its id."""
    desk.telegram.fault(flooded(1), method="sendRichMessageDraft")
    line = await desk.begin()
    line.show(f"{HEAD}\n\none")
    await eventually(lambda: len(desk.telegram.calls_of("sendRichMessageDraft")) == 1, "it is refused once")
    line.show(f"{HEAD}\n\none two")
    shown = f"{HEAD}\none two"
    await eventually(lambda: desk.telegram.seen_texts(desk.chat).count(shown) == 2, "it is seen, and again")
    refused, *calls = desk.telegram.calls_of("sendRichMessageDraft")
    assert calls[0].at - refused.at >= 1
    assert len({call.params["draft_id"] for call in calls}) == 1
    await line.close()


async def test_groups_and_people_who_want_text_get_no_rich_drafts(database_path: Path) -> None:
    """In a group progress is edited; where rich messages are off, drafts are of text."""
    folder = database_path.parent
    async with _desk(folder / "group", lambda telegram: telegram.group("team")) as desk:
        line = await desk.begin()
        line.show(f"{HEAD}\n\none")
        await eventually(lambda: desk.texts() == [f"{HEAD}\n\none"], "the placeholder is edited")
        await line.close()
        assert not [call for call in desk.telegram.calls if "Draft" in call.method]
    async with _desk(folder / "off", _ada) as desk:
        await desk.write(lambda conn: change_chat_settings(conn, LANE, _now_ms(), rich="off"))
        line = await desk.begin()
        line.show(f"{HEAD}\n\n{TABLE}")
        await eventually(lambda: len(desk.drafts()) == 1, "a draft is seen")
        assert desk.telegram.drafts(desk.chat)[0].blocks == ()
        await line.close()


async def test_rich_answer_is_shown_and_goes_out_as_text_when_refused(desk: Desk) -> None:
    """A table is a rich message; refused in any words, the answer is a text, in the same message."""
    await desk.begin()
    desk.telegram.fault(rejected("message can't be edited"), method="editMessageText")
    await desk.end(f"Look:\n\n{TABLE}")
    [answer] = [one for one in desk.telegram.visible(desk.chat) if one.from_bot]
    assert answer.text.split() == ["Look:", "a", "b", "─", "─", "1", "2"]
    assert (answer.blocks, await desk.value("SELECT count(*) FROM delivery_parts")) == ((), 1)
    to = Recipient(LANE, 123456, desk.chat.id)
    await desk.write(lambda conn: outbox.send_notice(conn, desk.engine.jobs, to, TABLE, now_ms=_now_ms()))
    await eventually(lambda: desk.telegram.visible(desk.chat)[-1].blocks, "the next one is rich")
    assert [one["text"] for one in desk.telegram.visible(desk.chat)[-1].blocks[0]["cells"][1]] == ["1", "2"]


async def test_old_placeholder_is_removed_after_an_outage(desk: Desk) -> None:
    """The answer does not wait for it; when Telegram is back, the placeholder goes."""
    line = await desk.begin()
    line.show(f"{HEAD}\n\none")
    await eventually(desk.drafts, "the draft is seen")
    desk.telegram.fault(broken(502, "Bad Gateway"), method="deleteMessage")
    await line.close()
    await desk.end("The answer.")
    assert desk.texts() == ["The answer."]
    assert len(desk.telegram.calls_of("deleteMessage")) == 2


async def test_answer_stays_above_what_was_accepted_after_it(desk: Desk) -> None:
    """A placeholder that gets ahead of the new message keeps the answer where it was, drafts or not."""
    line = await desk.begin()
    line.show(f"{HEAD}\n\none")
    await eventually(desk.drafts, "the draft is seen")
    [old] = [one.id for one in desk.telegram.visible(desk.chat) if one.from_bot]

    def unit(conn: Connection) -> None:
        desk.accept(conn, "r2")
        place_anew(conn, desk.engine.jobs, "r1", old, now_ms=_now_ms())

    await desk.write(unit)
    await eventually(lambda: len(desk.texts()) == 2, "the second placeholder stands")
    await line.close()
    await desk.end("The answer.")
    assert desk.texts() == ["The answer.", "⏳ Accepted …"]
    assert len(desk.telegram.calls_of("sendMessage")) == 2
    assert desk.telegram.calls_of("deleteMessage") == []


async def test_progress_is_edited_once_a_later_placeholder_stands(desk: Desk) -> None:
    """Below another placeholder a draft would seem to belong to that one."""
    line = await desk.begin()
    line.show(f"{HEAD}\n\none")
    await eventually(desk.drafts, "the draft is seen")
    await desk.write(lambda conn: desk.accept(conn, "r2"))
    await eventually(lambda: len(desk.texts()) == 2, "the second placeholder stands")
    line.show(f"{HEAD}\n\none two")
    await eventually(lambda: desk.texts()[0] == f"{HEAD}\n\none two", "the placeholder tells")
    assert desk.drafts() == []
    await line.close()
    await desk.end("The answer.")
    assert desk.texts() == ["The answer.", "⏳ Accepted …"]
