"""Each delivery goes to the sender of its own bot; what that bot cannot take waits in its place."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from wireroom.delivery.bot_senders import Absence, BotSenders, Hold, SetAside, share_of
from wireroom.delivery.lanes import Lanes
from wireroom.delivery.outbox import KIND, QUEUE, Recipient, addressee, send_notice
from wireroom.delivery.permits import MemoryPermits, PermitsByBot
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.port import Done, Handler, Job, Outcome, RunAgainAt
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.clock import ManualClock


class _Senders:
    """Two bots whose sending ends when it is let."""

    def __init__(self, db: SqliteDatabase, absence: Absence) -> None:
        self.clock = ManualClock()
        self.lanes: dict[int, Lanes] = {}
        self.sent: list[tuple[int, str]] = []
        self.go_on = asyncio.Event()
        self.desk = BotSenders(
            db=db,
            jobs=EmbeddedJobs(self.clock),
            clock=self.clock,
            permits=PermitsByBot(self._permits),
            slots=4,
            senders=lambda: {1: self._sender(1), 2: self._sender(2)},
            absence=lambda _conn, _bot_id: absence,
            first=1,
        )

    def _permits(self, bot_id: int) -> MemoryPermits:
        self.lanes[bot_id] = Lanes()
        return MemoryPermits(self.lanes[bot_id], self.clock)

    def _sender(self, bot_id: int) -> Handler:
        async def send(job: Job) -> Outcome:
            self.sent.append((bot_id, job.ref))
            await self.go_on.wait()
            return Done()

        return send


def _job(ref: int, bot_id: int, chat_id: int) -> Job:
    return Job(ref, QUEUE, KIND, str(ref), f"send:{bot_id}:{chat_id}", 1, 1)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("send:123:7", (123, 7)),
        ("send:123:-1007", (123, -1007)),
        ("intake:telegram:1:7:0", None),
        (None, None),
    ],
)
def test_key_of_a_job_names_bot_and_chat(key: str | None, found: tuple[int, int] | None) -> None:
    """Only a delivery's key does."""
    assert addressee(key) == found


@pytest.mark.parametrize(("slots", "bots", "share"), [(64, 1, 64), (64, 0, 64), (64, 3, 21), (4, 9, 1)])
def test_bots_share_the_slots(slots: int, bots: int, share: int) -> None:
    """One bot alone has all of them, each of several its share and at least one."""
    assert share_of(slots, bots) == share


async def test_bot_that_hangs_gives_back_what_is_beyond_its_share(database: SqliteDatabase) -> None:
    """Of four slots two bots have two each: a third delivery of one waits, and the other bot still sends."""
    scene = _Senders(database, Hold())
    hanging = [asyncio.create_task(scene.desk.handle(_job(ref, 1, ref))) for ref in (10, 11)]
    await asyncio.sleep(0)
    beyond = await scene.desk.handle(_job(12, 1, 12))
    other = asyncio.create_task(scene.desk.handle(_job(20, 2, 12)))
    await asyncio.sleep(0)
    assert beyond == RunAgainAt(scene.clock.now() + timedelta(seconds=1))
    assert scene.sent == [(1, "10"), (1, "11"), (2, "20")]
    # A later message of the chat does not overtake the one that was given back.
    assert scene.lanes[1].ask(scene.clock.monotonic(), 12, "send", 13) > 0
    scene.clock.advance(timedelta(seconds=1))
    assert scene.lanes[1].ask(scene.clock.monotonic(), 12, "send", 12) == 0
    scene.go_on.set()
    assert await asyncio.gather(*hanging, other) == [Done()] * 3


async def test_messages_of_a_paused_bot_wait_and_nobody_else_sends_them(database: SqliteDatabase) -> None:
    """A bot that this process does not serve, but the installation knows, is waited for."""
    scene = _Senders(database, Hold())
    assert isinstance(await scene.desk.handle(_job(10, 3, 7)), RunAgainAt)
    assert scene.sent == []


async def test_messages_of_an_unknown_bot_are_dead_letters(database: SqliteDatabase) -> None:
    """A bot that is no part of the installation has its messages set aside, with the reason."""
    scene = _Senders(database, SetAside("it is gone"))

    def tell(conn: Connection) -> int:
        jobs = EmbeddedJobs(scene.clock)
        return send_notice(conn, jobs, Recipient("telegram:3:7:0", 3, 7), "hello", now_ms=1)

    delivery_id = await database.write(tell)
    claimed = "UPDATE jobs SET state = 'running', epoch = 1 RETURNING id"
    job_id = await database.write(lambda conn: conn.exec_driver_sql(claimed).scalar_one())
    job = Job(job_id, QUEUE, KIND, str(delivery_id), "send:3:7", 1, 1)
    assert await scene.desk.handle(job) == Done()
    assert scene.sent == []
    look = "SELECT state, error FROM deliveries"
    row = await database.read(lambda conn: tuple(conn.exec_driver_sql(look).one()))
    assert row == ("dead", "it is gone")
