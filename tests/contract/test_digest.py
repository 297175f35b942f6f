"""A chat's daily digest is sent once for each time, whatever crashes and however many look."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select, text

from contract.job_engines import Engine
from wireroom.clock import to_ms
from wireroom.digest.due import Digests
from wireroom.intake.timetable import Timetable
from wireroom.store.schema import deliveries
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(60)

LANE = "telegram:1:5:9"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
_RUN = text("""
    INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, epoch,
        interruptions, event_count, queued_at, started_at, finished_at, usage)
    VALUES (:id, :id, 'c', :lane, :source, :prompt, 'demo', '/w', 'succeeded', 1, 0, 0, :at, :at, :at + 60000,
        '{"cost_usd": 0.25}')
""")
_CONVERSATION = text("""
    INSERT INTO conversations
        (id, channel, lane, is_current, title, workdir, message_count, created_at, active_at)
    VALUES ('c', 'telegram', :lane, 1, 'x', '/w', 1, 1, 1)
""")
_CHILD = """
import asyncio, os, signal, sys
from datetime import datetime
from contract.job_engines import open_engine
from wireroom.digest.due import send_digest

url, lane, due_ms, now, dies = sys.argv[1:]

async def main():
    async with open_engine(url) as engine:
        def unit(conn):
            assert send_digest(
                conn, engine.jobs, lane, due_ms=int(due_ms), now=datetime.fromisoformat(now), zone="UTC"
            )
            if dies == "before the commit":
                os.kill(os.getpid(), signal.SIGKILL)
        await engine.db.write(unit)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


class Office:
    """A database with one chat, its clock and its times."""

    def __init__(self, engine: Engine, url: str) -> None:
        self.engine = engine
        self.url = url
        self.clock = ManualClock(NOON)
        self._times = Timetable("Europe/Warsaw")

    async def say(self, command: str, rest: str) -> str:
        """Give a command of the chat."""
        obey = self._times.digest if command == "digest" else self._times.quiet
        return await self.engine.db.write(lambda conn: obey(conn, LANE, rest, to_ms(self.clock.now())))

    async def work(self, prompt: str, *, lane: str = LANE, source: str = "telegram") -> None:
        """Have a run end a minute from now."""
        values = {
            "id": prompt,
            "lane": lane,
            "source": source,
            "prompt": prompt,
            "at": to_ms(self.clock.now()),
        }

        def unit(conn: Connection) -> None:
            if not conn.execute(text("SELECT 1 FROM conversations")).first():
                conn.execute(_CONVERSATION, {"lane": LANE})
            conn.execute(_RUN, values)

        await self.engine.db.write(unit)

    async def look(self) -> int:
        """Look for what is due, as the process that leads does."""
        return await Digests(self.engine.db, self.engine.jobs, self.clock, "Europe/Warsaw").look()

    async def sent(self) -> list[Any]:
        """Return the messages that were stored."""
        return await self.engine.db.read(lambda conn: list(conn.execute(select(deliveries).order_by("id"))))

    async def due(self) -> datetime | None:
        """Return when the next digest is due."""
        found = await self.engine.db.read(
            lambda conn: conn.execute(text("SELECT digest_due_at FROM chat_settings")).scalar_one()
        )
        return None if found is None else datetime.fromtimestamp(found / 1000, UTC)


@pytest.fixture
def office(engine: Engine) -> Office:
    """Lend an office on an empty database of each kind."""
    return Office(engine, engine.url)


async def test_digest_comes_once_a_day_to_the_chat_that_wants_it(office: Office) -> None:
    """At the time on the chat's clock, with what was done since the last one; not on an empty day."""
    assert "at 18:00 (Europe/Warsaw)" in await office.say("digest", "18:00")
    assert await office.due() == datetime(2026, 7, 1, 16, tzinfo=UTC)
    await office.work("mend the roof")
    await office.work("somebody else's", lane="telegram:1:6:0")
    await office.work("a task", lane="task:1", source="board")
    office.clock.advance(timedelta(hours=3, minutes=59))
    assert await office.look() == 0
    office.clock.advance(timedelta(minutes=1))
    assert [await office.look(), await office.look()] == [1, 0]
    [sent] = await office.sent()
    assert (sent.lane, sent.bot_id, sent.chat_id, sent.thread_id) == (LANE, 1, 5, 9)
    assert "**This chat**: 1 request, 1 done." in sent.body
    assert "**The board**: 1 task, 1 done." in sent.body
    assert "**Cost**: $0.50, 2 agent minutes." in sent.body
    office.clock.advance(timedelta(days=1))
    assert await office.look() == 0
    assert await office.due() == datetime(2026, 7, 3, 16, tzinfo=UTC)
    await office.say("digest", "18:00 always")
    office.clock.advance(timedelta(days=1))
    assert await office.look() == 1
    assert "Nothing was done" in (await office.sent())[-1].body


async def test_digest_missed_while_nothing_ran_is_sent_late_and_once(office: Office) -> None:
    """After three days without a service one digest tells of all of them; the next comes at its own time."""
    await office.say("digest", "18:00")
    office.clock.advance(timedelta(days=1))
    await office.work("before it went down")
    office.clock.advance(timedelta(days=2, hours=1))
    assert [await office.look(), await office.look()] == [1, 0]
    assert await office.due() == datetime(2026, 7, 4, 16, tzinfo=UTC)
    office.clock.advance(timedelta(hours=4))
    await office.work("after it came up")
    office.clock.advance(timedelta(days=1))
    assert await office.look() == 1
    bodies = [sent.body for sent in await office.sent()]
    assert len(bodies) == 2
    assert all("1 request" in body for body in bodies)


async def test_digest_is_sent_once_however_many_look(office: Office) -> None:
    """Eight processes that take themselves for the leader send one message."""
    await office.say("digest", "18:00 always")
    office.clock.advance(timedelta(hours=5))
    assert sum(await asyncio.gather(*(office.look() for _ in range(8)))) == 1
    assert len(await office.sent()) == 1


@pytest.mark.parametrize(("dies", "left"), [("before the commit", 1), ("after the commit", 0)])
async def test_digest_survives_a_kill_without_being_doubled(office: Office, dies: str, left: int) -> None:
    """Killed on either side of the commit, the next look sends it, or finds it sent: one message."""
    await office.say("digest", "18:00 always")
    due = await office.due()
    assert due is not None
    office.clock.advance(timedelta(hours=5))
    told = [office.url, LANE, str(to_ms(due)), office.clock.now().isoformat(), dies]
    child = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _CHILD, *told],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        timeout=40,
        check=False,
    )
    assert child.returncode == -9, child.stderr.decode()
    assert await office.look() == left
    assert len(await office.sent()) == 1
    assert (await office.engine.counts("delivery")).waiting == 1


async def test_digest_in_quiet_hours_waits_for_their_end(office: Office) -> None:
    """It is composed in time and stored, and goes out when the hours are over; not lost, not doubled."""
    assert "22:00 to 07:00 (Europe/Warsaw)" in await office.say("quiet", "22:00-07:00")
    await office.say("digest", "23:00 always")
    office.clock.advance(timedelta(hours=9, minutes=30))
    assert [await office.look(), await office.look()] == [1, 0]
    job = await office.engine.db.read(_due_of_the_only_delivery)
    assert job == datetime(2026, 7, 2, 5, tzinfo=UTC)


async def test_another_zone_moves_the_digest(office: Office) -> None:
    """The zone is the chat's, whichever command names it; slips change nothing and say what is expected."""
    await office.say("digest", "18:00")
    await office.say("quiet", "22:00-07:00 America/New_York")
    assert await office.due() == datetime(2026, 7, 1, 22, tzinfo=UTC)
    for command, slip in (("digest", "25:00"), ("digest", "18:00 Mars"), ("digest", "18:00 UTC please")):
        assert "/digest 18:00" in await office.say(command, slip)
    assert "/quiet 22:00-07:00" in await office.say("quiet", "22-7")
    assert await office.due() == datetime(2026, 7, 1, 22, tzinfo=UTC)
    assert "No daily digest" in await office.say("digest", "off")
    assert await office.due() is None
    assert "No quiet hours" in await office.say("quiet", "off")


def _due_of_the_only_delivery(conn: Connection) -> datetime:
    if conn.dialect.name == "sqlite":
        due_ms: int = conn.execute(text("SELECT run_at FROM jobs WHERE kind = 'deliver'")).scalar_one()
        return datetime.fromtimestamp(due_ms / 1000, UTC)
    query = text("SELECT scheduled_at FROM procrastinate_jobs WHERE queue_name = 'delivery'")
    found: datetime = conn.execute(query).scalar_one()
    return found.astimezone(UTC)
