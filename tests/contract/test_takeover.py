"""When an answer may come in a new message instead of its placeholder, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from contract.job_engines import Engine, open_engine
from wireroom.delivery import outbox
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.spots import find_spot, is_followed, run_of_draft
from wireroom.delivery.takeover import note_removed, place_anew, stay
from wireroom.jobs.port import QueueSpec

PLACED = 5
_ROWS = (
    """INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
       VALUES ('c', 'telegram', 'lane', 1, '/', 1, 1)""",
    """INSERT INTO runs
           (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, queued_at)
       VALUES ('run-1', 'r1', 'c', 'lane', 'telegram', 'x', 'demo', '/', 'running', 1)""",
)


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend each kind of engine in turn, with a run whose placeholder stands."""
    queues = [QueueSpec(outbox.QUEUE, 4)]
    async with open_engine(url, queues) as opened:
        await opened.db.write(lambda conn: _begin(conn, opened))
        yield opened


def _begin(conn: Connection, engine: Engine) -> None:
    for statement in _ROWS:
        conn.execute(text(statement))
    to = Recipient("telegram:1:7:0", 1, 7)
    outbox.open_delivery(conn, engine.jobs, to, opening="⏳", run_id="run-1", now_ms=1)
    conn.execute(text(f"UPDATE delivery_parts SET state = 'placed', message_id = {PLACED}"))


async def _part(engine: Engine) -> Any:
    query = text("SELECT state, message_id, replaces FROM delivery_parts")
    row = await engine.db.read(lambda conn: conn.execute(query).one())
    return tuple(row)


async def _leave(engine: Engine, message_id: int) -> None:
    await engine.db.write(lambda conn: place_anew(conn, engine.jobs, "run-1", message_id, now_ms=2))


async def test_placeholder_is_left_for_a_new_message_once(engine: Engine) -> None:
    """The part is to be placed again and remembers what it replaces; a repetition changes nothing."""
    for message_id in (PLACED + 1, PLACED, PLACED):
        await _leave(engine, message_id)
    assert await _part(engine) == ("new", None, PLACED)
    spot = await engine.db.read(lambda conn: find_spot(conn, "run-1", 1))
    assert spot is not None
    assert (spot.message_id, spot.rich) == (None, True)
    assert await engine.db.read(lambda conn: run_of_draft(conn, spot.draft_id, 1, 7)) == "run-1"
    assert await engine.db.read(lambda conn: run_of_draft(conn, spot.draft_id, 1, 8)) is None
    await engine.db.write(lambda conn: note_removed(conn, spot.draft_id, 0))
    assert await _part(engine) == ("new", None, None)


@pytest.mark.parametrize(
    ("change", "follows"),
    [
        ("UPDATE delivery_parts SET state = 'new' WHERE delivery_id = 2", False),
        ("UPDATE delivery_parts SET state = 'sending' WHERE delivery_id = 2", True),
        ("UPDATE delivery_parts SET state = 'placed', message_id = 6 WHERE delivery_id = 2", True),
        ("UPDATE delivery_parts SET state = 'new', replaces = 6 WHERE delivery_id = 2", True),
        ("UPDATE deliveries SET run_id = NULL WHERE id = 2", False),
        ("UPDATE deliveries SET chat_id = 8 WHERE id = 2", False),
        ("UPDATE runs SET lane = 'another' WHERE id = 'run-2'", False),
    ],
    ids=["not-sent", "on-its-way", "stands", "stands-and-is-left", "notice", "other-chat", "other-lane"],
)
async def test_only_the_placeholder_of_a_later_request_follows(
    engine: Engine, change: str, follows: bool
) -> None:
    """The first delivery is followed by the second, if that shows itself below; the second by none."""

    def unit(conn: Connection) -> None:
        conn.execute(text(_ROWS[1].replace("run-1", "run-2").replace("r1", "r2")))
        conn.execute(text("UPDATE runs SET lane = 'telegram:1:7:0'"))
        to = Recipient("telegram:1:7:0", 1, 7)
        outbox.open_delivery(conn, engine.jobs, to, opening="⏳", run_id="run-2", now_ms=1)
        conn.execute(text("UPDATE delivery_parts SET state = 'placed' WHERE delivery_id = 2"))
        conn.execute(text(change))

    await engine.db.write(unit)
    found = await engine.db.read(lambda conn: [is_followed(conn, number) for number in (1, 2)])
    assert found == [follows, False]


@pytest.mark.parametrize(
    ("sent", "doubts"),
    [("new", (0, None)), ("sending", (1, "9")), ("uncertain", (1, "9"))],
    ids=["nothing-sent", "on-its-way", "unsure"],
)
async def test_part_goes_back_to_its_placeholder(engine: Engine, sent: str, doubts: tuple[int, str]) -> None:
    """What may have been sent in its place is looked for; a part that replaces nothing stays as it is."""
    await engine.db.write(lambda conn: stay(conn, 1, 0, now_ms=3))
    assert await _part(engine) == ("placed", PLACED, None)
    await _leave(engine, PLACED)
    change = f"UPDATE delivery_parts SET state = '{sent}', sent_after = 9"
    await engine.db.write(lambda conn: conn.execute(text(change)).rowcount)
    await engine.db.write(lambda conn: stay(conn, 1, 0, now_ms=3))
    assert await _part(engine) == ("placed", PLACED, None)
    query = text("SELECT doubt, lost_after FROM delivery_parts")
    assert tuple(await engine.db.read(lambda conn: conn.execute(query).one())) == doubts


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE deliveries SET body = 'The answer.', state = 'pending'",
        "UPDATE deliveries SET state = 'dead'",
        "UPDATE runs SET cancel_requested_at = 2",
        "UPDATE delivery_parts SET state = 'sent'",
        "UPDATE delivery_parts SET state = 'sending'",
    ],
    ids=["answered", "given-up", "to-stop", "shown", "being-placed"],
)
async def test_message_that_may_hold_an_answer_is_never_left(engine: Engine, change: str) -> None:
    """Whatever else can stand in the message, or is about to, stays where it is."""
    await engine.db.write(lambda conn: conn.execute(text(change)).rowcount)
    before = await _part(engine)
    await _leave(engine, PLACED)
    assert await _part(engine) == before
