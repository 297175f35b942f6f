"""A chat's daily budget, on both databases: what is beyond it is refused, kept, and taken up once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from contract.job_engines import Engine
from wireroom.clock import to_ms
from wireroom.conversations.chat_settings import change_chat_settings
from wireroom.intake.reply import Reply
from wireroom.intake.spending import Spending

pytestmark = pytest.mark.timeout(60)

LANE, OTHER = "telegram:1:5:0", "telegram:1:6:0"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
_CONVERSATION = text("""
    INSERT INTO conversations
        (id, channel, lane, is_current, title, workdir, message_count, created_at, active_at)
    VALUES ('c', 'telegram', 'telegram:1:5:0', 1, 'x', '/w', 1, 1, 1)
""")
_RUN = text("""
    INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, epoch,
        interruptions, event_count, queued_at, started_at, finished_at, usage)
    VALUES (:id, :id, 'c', :lane, 'telegram', 'x', 'claude', '/w', 'succeeded', 1, 0, 0, :at, :at, :at,
        :usage)
""")
_UPDATE = text("""
    INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, received_at)
    VALUES (1, 1, 'message', :lane, '{}', 'done', 1) RETURNING id
""")


class Till:
    """A chat that may spend $1 a day on Warsaw's clock, and one stored update of it."""

    def __init__(self, engine: Engine, row_id: int) -> None:
        self.engine = engine
        self.row_id = row_id
        self.spending = Spending(engine.jobs, "Europe/Warsaw", {}, "claude")

    async def spend(self, name: str, usd: float | None, at: datetime, lane: str = LANE) -> None:
        """Have a run cost something at a time."""
        usage = None if usd is None else f'{{"cost_usd": {usd}}}'
        values = {"id": name, "lane": lane, "at": to_ms(at), "usage": usage}
        await self.engine.db.write(lambda conn: conn.execute(_RUN, values).rowcount)

    async def ask(self, now: datetime = NOON) -> Reply | None:
        """Return what is said instead of taking the update."""
        return await self.engine.db.write(
            lambda conn: self.spending.refusal(conn, LANE, to_ms(now), row_id=self.row_id)
        )

    async def press(self, refused: Reply, lane: str = LANE, now: datetime = NOON) -> str:
        """Press the button below the refusal."""
        ref = refused.buttons[0].data.split(":", 2)[2]
        return await self.engine.db.write(
            lambda conn: self.spending.raise_for_today(conn, lane, ref, to_ms(now))
        )

    async def state(self) -> str:
        """Return how the update stands."""
        return await self.engine.db.read(
            lambda conn: str(conn.execute(text("SELECT state FROM updates")).scalar_one())
        )


@pytest.fixture
async def till(engine: Engine) -> Till:
    """Lend a till on an empty database of each kind."""

    def unit(conn: Connection) -> int:
        conn.execute(_CONVERSATION)
        change_chat_settings(conn, LANE, 1, day_usd=1.0)
        return int(conn.execute(_UPDATE, {"lane": LANE}).scalar_one())

    return Till(engine, await engine.db.write(unit))


async def test_only_the_chats_own_day_counts(till: Till) -> None:
    """Yesterday, other chats and unknown costs leave room; the day begins at midnight of the chat's clock."""
    midnight = datetime(2026, 6, 30, 22, tzinfo=UTC)
    await till.spend("yesterday", 5.0, midnight - timedelta(seconds=1))
    await till.spend("another", 5.0, NOON, lane=OTHER)
    await till.spend("unknown", None, NOON)
    await till.spend("today", 0.75, midnight)
    assert await till.ask() is None
    assert await till.state() == "done"
    await till.spend("more", 0.25, NOON)
    assert await till.ask() is not None
    assert await till.ask(NOON + timedelta(days=1)) is None


async def test_refused_update_is_kept_and_taken_up_once(till: Till) -> None:
    """However often the button is pressed, the update is handled once more, and the limit is what it says."""
    await till.spend("dear", 2.5, NOON)
    refused = await till.ask()
    assert refused is not None
    assert refused.buttons[0].text == "Raise it to $3 for today"
    assert await till.state() == "refused"
    assert await till.press(refused, OTHER) == "Raised for today."
    assert await till.state() == "refused"
    assert await till.press(refused) == "Raised. Your request is taken up."
    assert await till.press(refused) == "Raised for today."
    assert await till.state() == "received"
    assert (await till.engine.counts("intake")).waiting == 1
    assert await till.ask() is None
    assert await till.press(refused, now=NOON + timedelta(days=1)) == "That day is over."
    for backend, said in (("codex", "has no price"), ("demo", None)):
        till.spending = replace(till.spending, backend=backend)
        told = await till.ask()
        assert said is None if told is None else str(said) in told.text
    odd = Reply("", (type(refused.buttons[0])("x", "w:raise:many/2026-07-01/1"),))
    assert "another release" in await till.press(odd)
