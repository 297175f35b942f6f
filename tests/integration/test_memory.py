"""What a conversation remembers, and for how long: append-only messages, a rolling summary, retention."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select, update
from sqlalchemy import Engine as AnyEngine

from wireroom.app.engine import Engine, open_engine
from wireroom.clock import SystemClock
from wireroom.conversations.threads import NewConversation, append_message, begin_conversation, recall
from wireroom.delivery.outbox import Recipient, open_delivery
from wireroom.runs.records import NewRun, create_run
from wireroom.runs.retention import forget_before
from wireroom.settings import Settings
from wireroom.store.schema import conversations, deliveries, delivery_parts, jobs, messages, runs


@pytest.fixture
async def engine(database_path: Path) -> AsyncIterator[Engine]:
    """Lend a fresh database without a worker."""
    async with open_engine(Settings(data_dir=database_path.parent), SystemClock()) as lent:
        yield lent


def _begin(conn: Connection, name: str, now_ms: int = 0) -> None:
    begin_conversation(conn, NewConversation(name, "web", f"web:{name}", "/work"), now_ms)


async def test_long_conversation_is_remembered_from_its_first_word_to_its_last(engine: Engine) -> None:
    """After 500 messages the newest are whole, those before are in the summary, and none is gone or twice."""

    def talk(conn: Connection) -> None:
        _begin(conn, "long")
        for number in range(1, 501):
            role = "user" if number % 2 else "assistant"
            append_message(conn, "long", role, f"word {number}.", run_id=None, now_ms=number)

    await engine.db.write(talk)
    memory = await engine.db.read(lambda conn: recall(conn, "long"))
    whole = [turn.content for turn in memory.turns]
    told = [line.partition(": ")[2] for line in memory.summary.splitlines()]
    assert 40 <= len(whole) < 60
    assert told + whole == [f"word {number}." for number in range(501 - len(told) - len(whole), 501)]
    assert len(told) > 400
    count = select(func.count()).select_from(messages)
    assert await engine.db.read(lambda conn: conn.execute(count).scalar_one()) == 500


async def test_reading_changes_nothing(engine: Engine) -> None:
    """To recall a conversation, known or unknown, leaves the database as it was."""

    def prepare(conn: Connection) -> None:
        _begin(conn, "read")
        append_message(conn, "read", "user", "hello", run_id=None, now_ms=5)

    await engine.db.write(prepare)
    before = await engine.db.read(lambda conn: conn.execute(select(conversations)).all())
    await engine.db.read(lambda conn: recall(conn, "read"))
    assert (await engine.db.read(lambda conn: recall(conn, "nobody"))).turns == ()
    assert await engine.db.read(lambda conn: conn.execute(select(conversations)).all()) == before


async def test_only_what_is_old_and_over_is_forgotten(engine: Engine) -> None:
    """An old conversation goes with all that hangs on it; one that is used, works or owes an answer stays."""

    def prepare(conn: Connection) -> None:
        for name, active_ms in (("old", 10), ("new", 5_000), ("working", 10), ("owing", 10)):
            _begin(conn, name, active_ms)
            append_message(conn, name, "user", "hello", run_id=None, now_ms=active_ms)
            new = NewRun(f"run-{name}", f"r-{name}", name, f"web:{name}", "web", "hello", "demo", "/")
            create_run(conn, engine.jobs, new, active_ms)
            to = Recipient(f"telegram:1:{name}", 1, 2, None, None)
            open_delivery(conn, engine.jobs, to, opening="…", run_id=new.id, now_ms=active_ms)
        over = runs.c.id != "run-working"
        conn.execute(update(runs).where(over).values(state="succeeded"))
        conn.execute(update(deliveries).where(deliveries.c.run_id != "run-owing").values(state="sent"))
        conn.execute(jobs.delete())

    await engine.db.write(prepare)
    assert await engine.db.write(lambda conn: forget_before(conn, 1_000, 20)) == 1
    assert await engine.db.write(lambda conn: forget_before(conn, 1_000, 20)) == 0

    def left(conn: Connection) -> tuple[set[str], int, int, int]:
        names = set(conn.execute(select(conversations.c.id)).scalars())
        counted = [
            conn.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (runs, deliveries, delivery_parts)
        ]
        return names, counted[0], counted[1], counted[2]

    assert await engine.db.read(left) == ({"new", "working", "owing"}, 3, 3, 3)


async def test_forgetting_names_no_run(engine: Engine) -> None:
    """Statements do not grow with the runs of a conversation: databases take so many values and no more."""
    lengths: list[int] = []

    def prepare(conn: Connection) -> None:
        _begin(conn, "much")
        for number in range(100):
            new = NewRun(f"r{number}", f"q{number}", "much", "web:much", "web", "hello", "demo", "/")
            create_run(conn, engine.jobs, new, 0)
        conn.execute(update(runs).values(state="succeeded"))

    def note(_conn: Any, _cursor: Any, _statement: str, values: Sequence[Any], *_: Any) -> None:
        lengths.append(len(values))

    await engine.db.write(prepare)
    event.listen(AnyEngine, "before_cursor_execute", note)
    try:
        assert await engine.db.write(lambda conn: forget_before(conn, 1_000, 20)) == 1
    finally:
        event.remove(AnyEngine, "before_cursor_execute", note)
    assert 0 < max(lengths) < 50
    assert not await engine.db.read(lambda conn: conn.execute(select(runs.c.id)).all())
