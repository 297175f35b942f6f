"""Send lanes that several senders share: together they keep the limits of one, whatever happens to one.

Telegram's documented flood rules are on: a test in which none is refused has kept them all.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sender_fleet import Outbox, fleet, programs, refusals
from sqlalchemy import Connection, TextClause, text

from wireroom.clock import SystemClock
from wireroom.delivery import outbox
from wireroom.delivery.lanes import LaneRules
from wireroom.delivery.shared_permits import SharedPermits
from wireroom.errors import StoreUnavailable
from wireroom.perf.metrics import JOBS_DONE
from wireroom.store import budget_rows, lane_rows
from wireroom.store.lane_rows import forget_idle_chats, lock_lanes
from wireroom.store.postgres import PostgresDatabase
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, flooded
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(240)]
CHATS = int(os.environ.get("WIREROOM_TEST_LANE_CHATS", "45"))
"""Chats that are written to at once; so many thirtieths of a second are needed."""
GROUP_MESSAGES = int(os.environ.get("WIREROOM_TEST_GROUP_MESSAGES", "3"))
"""Messages to one group; from 21 on they take more than a minute."""
BOT = 123456


@dataclass(frozen=True, slots=True)
class Scene:
    """A database, and a Telegram that keeps its limits."""

    url: str
    telegram: BotAPIServer
    outbox: Outbox
    folder: Path

    def people(self, count: int) -> Sequence[Chat]:
        """Return so many private chats."""
        return [self.telegram.private_chat(self.telegram.user(1000 + n, f"P{n}")) for n in range(count)]

    def shown(self, chat: Chat) -> list[str]:
        """Return what the bot's messages in a chat say, oldest first."""
        return [message.text for message in self.telegram.visible(chat) if message.from_bot]

    async def shows(self, chat: Chat, *bodies: str, within: float = 60) -> None:
        """Wait until a chat shows these messages, and no others, in their order."""
        await eventually(lambda: self.shown(chat) == list(bodies), f"{chat.id} shows {bodies}", within)

    def sends(self, chat: Chat | None = None) -> list[float]:
        """Return when messages arrived."""
        return [call.at for call in self.telegram.calls_of("sendMessage", chat)]


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    """Lend a fresh database."""
    with postgres.database() as lent:
        yield lent


@pytest.fixture
async def scene(url: str, tmp_path: Path) -> AsyncIterator[Scene]:
    """Lend a database without senders."""
    async with BotAPIServer(enforce_flood=True) as telegram:
        letters = Outbox(url, telegram)
        yield Scene(url, telegram, letters, tmp_path)
        await letters.db.close()


def _given_back() -> int:
    """Return how many deliveries of this process's workers were told to wait, so far."""
    return int(JOBS_DONE.labels(outbox.QUEUE, "again")._value.get())


async def test_three_senders_together_keep_thirty_a_second_and_one_a_second_a_chat(scene: Scene) -> None:
    """Many chats and a busy one: nothing is refused, the busy one's order stays, few ask in vain."""
    busy, *others = scene.people(CHATS)
    said = [f"busy {n}" for n in range(4)]
    began, given_back = time.monotonic(), _given_back()
    async with fleet(scene.url, scene.telegram, scene.folder):
        await scene.outbox.add(busy, *said)
        for chat in others:
            await scene.outbox.add(chat, "hello")
        await scene.shows(busy, *said)
        for chat in others:
            await scene.shows(chat, "hello")
    took, again = time.monotonic() - began, _given_back() - given_back
    sys.stdout.write(f"\n{CHATS} chats, {CHATS + 3} messages: {took:.1f} s, {again} asked in vain")
    assert refusals(scene.telegram) == []
    assert all(later - earlier >= 1 for earlier, later in pairwise(scene.sends(busy)))
    # Whoever must wait is told a turn of its own, and comes then, not each second.
    assert again <= 3 * (CHATS + 3)


async def test_three_senders_together_keep_the_limit_of_a_group(scene: Scene) -> None:
    """In a group messages come one a second, and 20 a minute, whoever sends them."""
    group = scene.telegram.group("team")
    said = [f"news {n}" for n in range(GROUP_MESSAGES)]
    async with fleet(scene.url, scene.telegram, scene.folder):
        await scene.outbox.add(group, *said)
        await scene.shows(group, *said, within=3 * GROUP_MESSAGES + 120)
    times = scene.sends(group)
    assert refusals(scene.telegram) == []
    assert all(later - earlier >= 60 for earlier, later in zip(times, times[20:], strict=False))


async def test_senders_whose_clocks_are_minutes_off_keep_the_pace(scene: Scene) -> None:
    """Machines five minutes behind and ahead neither send too early nor hold a message back for minutes."""
    offs = [timedelta(minutes=minutes) for minutes in (-5, 0, 5)]
    chats = scene.people(3)
    said = [f"message {n}" for n in range(3)]
    async with fleet(scene.url, scene.telegram, scene.folder, offs):
        for chat in chats:
            await scene.outbox.add(chat, *said)
        for chat in chats:
            await scene.shows(chat, *said, within=60)
    assert refusals(scene.telegram) == []


async def test_a_refused_chat_is_closed_for_all_processes_and_for_no_other_chat(scene: Scene) -> None:
    """After a 429 no process calls the chat before its time, not even when who was told is killed."""
    ada, ben, *_ = scene.people(2)
    rule = scene.telegram.fault(flooded(5), method="sendMessage", chat=ada)
    async with programs(scene.url, scene.telegram, scene.folder, 3) as processes:
        await scene.outbox.add(ada, "one", "two")
        await eventually(lambda: rule.hits, "the first call is refused", 90)
        refused_at = scene.telegram.calls_of("sendMessage", ada)[0].at
        await scene.outbox.add(ben, "at once")
        await scene.shows(ben, "at once")
        for process in processes[:2]:
            process.kill()
        await scene.shows(ada, "one", "two", within=60)
    calls = [at for at in scene.sends(ada) if at > refused_at]
    assert calls[0] - refused_at >= 5
    assert len(refusals(scene.telegram)) == 1
    assert scene.sends(ben)[0] < calls[0]


@asynccontextmanager
async def _sharing(url: str, rules: LaneRules, count: int = 3) -> AsyncIterator[Sequence[SharedPermits]]:
    databases = [PostgresDatabase(url) for _ in range(count)]
    try:
        yield [SharedPermits(db, BOT, rules, SystemClock()) for db in databases]
    finally:
        for db in databases:
            await db.close()


async def test_many_who_ask_at_once_are_given_exactly_the_permits_there_are(url: str) -> None:
    """Of ninety questions of three processes thirty are permitted; the others are told different times."""
    rules = LaneRules(overall_window_seconds=60)
    async with _sharing(url, rules) as sharing:
        asked = [permits.ask(chat * 3 + n, "send") for n, permits in enumerate(sharing) for chat in range(30)]
        answers = await asyncio.gather(*asked)
    held = [answer for answer in answers if answer is not None]
    assert answers.count(None) == rules.overall_limit
    assert len(set(held)) == len(held) == 60


async def test_a_send_counts_from_its_end(url: str) -> None:
    """Until it is settled a send holds its chat up; afterwards the spacing begins."""
    async with _sharing(url, LaneRules(chat_spacing_seconds=0.3), 2) as (first, second):
        assert await first.ask(1, "send") is None
        began = time.monotonic()
        while time.monotonic() - began < 0.6:
            assert await second.ask(1, "send") is not None
        await first.settle(1)
        settled = time.monotonic()
        while await second.ask(1, "send") is not None:
            assert time.monotonic() - settled < 5
        assert time.monotonic() - settled >= 0.29


async def test_three_refused_chats_close_all_chats_of_all_processes(url: str) -> None:
    """Telegram refuses one chat after the other: it means the bot, and every process waits."""
    async with _sharing(url, LaneRules(), 2) as (first, second):
        for chat in (1, 2):
            await first.flood(chat, 60)
        assert await second.ask(9, "send") is None
        await second.flood(3, 30)
        until = await first.ask(10, "send")
    assert until is not None
    assert 28 < (until - SystemClock().now()).total_seconds() <= 31
    assert first.permits() == 0


async def test_a_process_that_freezes_with_the_lock_holds_nobody_up_for_long(url: str) -> None:
    """Its transaction is ended by the server within seconds; the others go on while it is still frozen."""
    holds, thaw = threading.Event(), threading.Event()
    async with _sharing(url, LaneRules(), 1) as (permits,):
        assert await permits.ask(1, "send") is None
        frozen = asyncio.create_task(asyncio.to_thread(asyncio.run, _freeze(url, holds, thaw)))
        assert await asyncio.to_thread(holds.wait, 30)
        async with asyncio.timeout(30):
            answer = await _as_often_as_needed(lambda: permits.ask(2, "send"))
        thaw.set()
        await frozen
    assert answer is None


async def _freeze(url: str, holds: threading.Event, thaw: threading.Event) -> None:
    """Take the lock as a process would, and do nothing more until thawed; its event loop hangs as well."""

    def unit(conn: Connection) -> None:
        lock_lanes(conn, BOT, [1], is_durable=False)
        holds.set()
        thaw.wait(60)

    db = PostgresDatabase(url)
    with pytest.raises(StoreUnavailable):
        await db.write(unit)
    await db.close()


async def test_who_waits_for_the_lock_too_long_is_told_that_the_store_is_busy(url: str) -> None:
    """A lock that nobody gives back is an outage of the moment; a flood wait is kept all the same."""
    async with _sharing(url, LaneRules(), 1) as (permits,):
        assert await permits.ask(1, "send") is None
        with psycopg.connect(url) as holder:
            holder.execute("SELECT state FROM send_lanes WHERE bot_id = %s FOR UPDATE", [BOT])
            asked, _, closed = await asyncio.gather(
                permits.ask(2, "send"), permits.settle(1), permits.flood(1, 60), return_exceptions=True
            )
            holder.rollback()
    assert isinstance(asked, StoreUnavailable)
    assert isinstance(closed, datetime)
    assert closed > SystemClock().now()


async def test_database_whose_clock_was_set_back_gives_permits_as_before(url: str) -> None:
    """An hour back: nobody waits for an hour, and no spacing is lost."""
    async with _sharing(url, LaneRules(), 2) as (first, second):
        assert await first.ask(1, "send") is None
        await first.settle(1)
        # As if the last decision had been made by a clock that was an hour ahead.
        later = 3_600_000
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("UPDATE send_lanes SET latest_at = latest_at + %s", [later])
        assert await second.ask(2, "send") is None
        await second.settle(2)
        asked = SystemClock().now()
        until = await first.ask(2, "send")
    assert until is not None
    assert -1 < (until - asked).total_seconds() < 5


async def test_idle_chats_are_forgotten_and_closed_ones_are_not(url: str) -> None:
    """A row lives for as long as it says something, and a minute more."""
    async with _sharing(url, LaneRules(), 1) as (permits,):
        await permits.flood(1, 600)
        assert await permits.ask(2, "edit") is None
        db = PostgresDatabase(url)
        assert await db.write(forget_idle_chats) == 0
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("UPDATE send_lane_chats SET idle_at = idle_at - 120000")
        assert await db.write(forget_idle_chats) == 1
        await db.close()
        assert await permits.ask(1, "send") is not None


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        pytest.param(lane_rows.READ, {"bot_id": 7, "chat_ids": [5, 6]}, id="read"),
        pytest.param(lane_rows.LOCK, {"bot_id": 7, "is_durable": False}, id="lock"),
        pytest.param(
            lane_rows.WRITE,
            {
                "bot_id": 7,
                "state": "{}",
                "latest_at": 1,
                "ahead_ms": 0,
                "chat_ids": [5],
                "states": ["{}"],
                "idle_ats": [1],
            },
            id="write",
        ),
        pytest.param(budget_rows.LOCK, {"budgets": ["b7"], "callers": ["c7"]}, id="lock budgets"),
        pytest.param(
            budget_rows.WRITE, {"budgets": ["b7"], "callers": ["c7"], "empty_us": [1]}, id="write budgets"
        ),
    ],
)
async def test_hot_statements_walk_no_table(url: str, statement: TextClause, values: dict[str, Any]) -> None:
    """With thousands of chats and callers each finds its rows by their key."""
    db = PostgresDatabase(url)

    def unit(conn: Connection) -> str:
        for fill in _FILLED:
            conn.execute(text(fill))
        return "\n".join(conn.execute(text(f"EXPLAIN {statement.text}"), values).scalars())

    plan = await db.write(unit)
    await db.close()
    assert "Seq Scan on" not in plan
    assert "_pkey" in plan


_FILLED = (
    "INSERT INTO send_lanes (bot_id, state) SELECT n, '{}' FROM generate_series(1, 500) AS n",
    """INSERT INTO send_lane_chats (bot_id, chat_id, state, idle_at)
    SELECT 7, n, '{}', 1 FROM generate_series(1, 5000) AS n""",
    """INSERT INTO request_budgets (budget, caller, empty_us)
    SELECT 'b7', 'c' || n, 1 FROM generate_series(1, 5000) AS n""",
    "ANALYZE send_lanes, send_lane_chats, request_budgets",
)


async def _as_often_as_needed(ask: Callable[[], Awaitable[datetime | None]]) -> datetime | None:
    """Ask until the store can tell, as a sender does."""
    while True:
        try:
            return await ask()
        except StoreUnavailable:
            await asyncio.sleep(0.1)
