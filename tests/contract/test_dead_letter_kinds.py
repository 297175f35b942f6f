"""Every kind of dead letter, on each database: counted, listed, tried again once, dropped once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
from sqlalchemy import Connection, text

from contract.job_engines import Engine, open_engine
from wireroom.agents.desk import AgentDesk
from wireroom.api.dead_letter_kinds import DeadKind, Kind, dead_kinds, said_in

pytestmark = pytest.mark.timeout(60)
NOW = 1_790_000_000_000
PLANT = (
    """INSERT INTO updates (bot_id, update_id, kind, lane, payload, state, reason, received_at, handled_at)
       SELECT 7, n, 'message', 'telegram:7:5:0', '{"message": {"text": "hello"}}', 'dead', 'boom', 1, 2
       FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS numbers""",
    """INSERT INTO deliveries (lane, bot_id, chat_id, state, opening, body, error, attempts, created_at)
       SELECT 'telegram:7:5:0', 7, 5, 'dead', '…', CASE n WHEN 1 THEN NULL ELSE 'done' END, 'blocked', 12, 1
       FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS numbers ORDER BY n""",
    """INSERT INTO callbacks (url, payload, state, error, attempts, created_at)
       SELECT 'http://app:3000/done', '{}', 'dead', 'HTTP 410', 20, 1
       FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS numbers""",
    """INSERT INTO tasks (id, prompt, status, "order")
       SELECT n, 'paint the fence', 3, n FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS numbers""",
    """INSERT INTO task_details (task_id, failures, is_dead, reason, epoch, updated_at)
       SELECT n, 3, 1, 'no paint', 3, 1 FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS numbers""",
    """INSERT INTO agent_calls (agent_id, agent_name, queue, action, due_at, state, error, attempts, request,
                                retry, created_at, finished_at)
       SELECT 1, 'nightly', CASE n WHEN 1 THEN 'a' ELSE 'b' END, 'call', 1, 'dead', 'HTTP 500', 3, '{}', '{}',
              1, 2
       FROM (SELECT 1 AS n UNION SELECT 2 UNION SELECT 3) AS numbers ORDER BY n""",
)
_KINDS = pytest.mark.parametrize("kind", list(Kind))


@pytest.fixture
async def engine(url: str) -> AsyncIterator[Engine]:
    """Lend an engine on a database of each kind with three dead letters of every kind; no worker runs."""
    async with open_engine(url) as lent:
        await lent.db.write(_plant)
        yield lent


@pytest.fixture
def kinds(engine: Engine) -> Mapping[Kind, DeadKind]:
    """Lend the rules of every kind; a queue of agents has one place."""
    return dead_kinds(engine.jobs, AgentDesk(engine.jobs, concurrency=1, catch_ups=1))


def _plant(conn: Connection) -> None:
    for statement in PLANT:
        conn.execute(text(statement.replace(': {"', r'\: {"')))


@_KINDS
async def test_letters_are_listed_in_pieces(
    engine: Engine, kinds: Mapping[Kind, DeadKind], kind: Kind
) -> None:
    """Newest first, from a number on; their ids oldest first; and all of them are counted."""
    rules = kinds[kind]
    assert await engine.db.read(rules.count) == 3
    newest = await engine.db.read(lambda conn: rules.list(conn, 2, None))
    assert [letter.id for letter in newest] == [3, 2]
    assert all(letter.reason for letter in newest)
    rest = await engine.db.read(lambda conn: rules.list(conn, 2, 2))
    assert [letter.id for letter in rest] == [1]
    assert await engine.db.read(lambda conn: list(rules.ids(conn, 1, 5))) == [2, 3]


@_KINDS
async def test_letters_are_retried_once(engine: Engine, kinds: Mapping[Kind, DeadKind], kind: Kind) -> None:
    """Those that are named and dead are tried again, in order, with one job each; a second time none is."""
    rules = kinds[kind]
    assert list(await engine.db.write(lambda conn: rules.retry(conn, [3, 1, 99], NOW))) == [1, 3]
    assert list(await engine.db.write(lambda conn: rules.retry(conn, [1, 3], NOW))) == []
    assert await engine.db.read(rules.count) == 1
    counts = await engine.db.read(engine.jobs.counts)
    # The operator is off, so the board has nothing to wake; each of two queues of agents has a place.
    assert sum(count.waiting for count in counts.values()) == (0 if kind is Kind.TASKS else 2)


@_KINDS
async def test_letters_are_dropped_once(engine: Engine, kinds: Mapping[Kind, DeadKind], kind: Kind) -> None:
    """What is dropped can be neither tried again nor dropped a second time."""
    rules = kinds[kind]
    assert list(await engine.db.write(lambda conn: rules.discard(conn, [2, 1, 99], NOW))) == [1, 2]
    assert list(await engine.db.write(lambda conn: rules.discard(conn, [1, 2], NOW))) == []
    assert list(await engine.db.write(lambda conn: rules.retry(conn, [1, 2], NOW))) == []
    assert await engine.db.read(rules.count) == 1
    assert await engine.db.read(engine.jobs.counts) == {}


@_KINDS
async def test_nothing_named_changes_nothing(
    engine: Engine, kinds: Mapping[Kind, DeadKind], kind: Kind
) -> None:
    """An empty choice is no mistake."""
    rules = kinds[kind]
    assert list(await engine.db.write(lambda conn: rules.retry(conn, [], NOW))) == []
    assert list(await engine.db.write(lambda conn: rules.discard(conn, [], NOW))) == []
    assert await engine.db.read(rules.count) == 3


async def test_delivery_without_an_answer_waits_for_it(
    engine: Engine, kinds: Mapping[Kind, DeadKind]
) -> None:
    """Retried together, one whose answer is not known yet waits for it, one that has it is on its way."""
    await engine.db.write(lambda conn: kinds[Kind.DELIVERIES].retry(conn, [1, 2], NOW))
    states = text("SELECT state FROM deliveries ORDER BY id")
    found = await engine.db.read(lambda conn: list(conn.execute(states).scalars()))
    assert found == ["waiting", "pending", "dead"]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ('{"update_id": 1, "message": {"text": "hello"}}', "hello"),
        ('{"edited_message": {"caption": "a picture"}}', "a picture"),
        ('{"callback_query": {"data": "retry:1"}}', "retry:1"),
        (f'{{"message": {{"text": "{"x" * 500}"}}}}', "x" * 200),
        ('{"message": {"text": 5}}', None),
        ("[1]", None),
        ("{", None),
        ("[" * 100_000, None),
        (None, None),
    ],
    ids=["text", "caption", "button", "long", "odd text", "no object", "no JSON", "deep", "nothing"],
)
def test_excerpt_of_an_update_is_what_it_says(payload: str | None, said: str | None) -> None:
    """Whatever was stored, its beginning is told or nothing is; never an error."""
    assert said_in(payload) == said
