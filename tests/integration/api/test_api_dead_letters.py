"""`/api/dead-letters`: all kinds in one place, tried again and dropped many at a time, on a whole service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, insert, text

from running_service import API_SECRET, client_of, running_service
from wireroom.app.service import Service
from wireroom.store.database import Unit
from wireroom.store.schema import deliveries
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)
KINDS = ("updates", "deliveries", "callbacks", "tasks", "calls")
MESSAGE = (
    '{"update_id": 1, "message": {"message_id": 1, "date": 1, "chat": {"id": 5, "type": "private"},'
    ' "from": {"id": 5, "is_bot": false, "first_name": "Stranger"}, "text": "what is left to do?"}}'
)
PLANT = (
    """INSERT INTO updates
           (id, bot_id, update_id, kind, lane, payload, state, reason, received_at, handled_at)
       VALUES (1, 0, 1, 'message', 'telegram:0:5:0', :message, 'dead', 'OSError: boom', 1000, 2000),
              (2, 0, 2, 'message', 'telegram:0:5:0', '{', 'dead', 'unreadable', 1000, 2000)""",
    """INSERT INTO jobs (queue, kind, ref, priority, run_at, state, attempts, epoch, enqueued_at)
       VALUES ('intake', 'update', '1', 0, 1, 'dead', 3, 0, 1)""",
    """INSERT INTO callbacks (id, url, payload, state, error, status_code, attempts, created_at)
       VALUES (4, 'http://127.0.0.1:1/done?token=hidden', '{}', 'dead', 'HTTP 410', 410, 20, 1000)""",
    """INSERT INTO tasks (id, prompt, status, "order") VALUES (7, 'paint the fence', 3, 1), (8, 'wait', 3, 2),
       (9, 'was moved since', 0, 3)""",
    """INSERT INTO task_details (task_id, failures, is_dead, reason, epoch, updated_at)
       VALUES (7, 3, 1, 'no paint', 3, 3000), (9, 3, 1, 'no paint', 3, 3000)""",
    """INSERT INTO task_dependencies (task_id, needs_id) VALUES (8, 7)""",
    """INSERT INTO agent_calls
           (id, agent_id, agent_name, queue, action, due_at, state, error, attempts, request, retry,
            created_at, finished_at)
       VALUES (5, 1, 'nightly', 'gone', 'call', 1, 'dead', 'HTTP 500', 3, :request, '{}', 1000, 2000),
              (6, 1, 'nightly', 'default', 'call', 1, 'succeeded', NULL, 1, NULL, NULL, 1000, 2000)""",
)
_MOVED = """
    SELECT (SELECT state FROM updates WHERE id = 1), (SELECT attempts > 0 FROM callbacks WHERE id = 4),
        (SELECT count(*) FROM queues WHERE name = 'gone'), (SELECT count(*) FROM jobs WHERE kind = 'update'),
        (SELECT started_at IS NOT NULL FROM agent_calls WHERE id = 5)
"""
REQUEST = '{"kind": "call", "url": "http://127.0.0.1:1/", "method": "GET"}'


@pytest.fixture
async def service(database: SqliteDatabase) -> AsyncIterator[Service]:
    """Run a service with dead letters of every kind; without a bot, no delivery of it moves."""
    await database.write(_plant)
    folder = database.path.parent
    # The planted call is as old as the epoch.
    async with running_service(folder, log_level="debug", call_days=36_500.0) as running:
        yield running


@pytest.fixture
async def client(service: Service) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client that sends the secret."""
    async with client_of(service) as made:
        made.headers["Authorization"] = f"Bearer {API_SECRET}"
        yield made


def _plant(conn: Connection) -> None:
    for statement in PLANT:
        conn.execute(text(statement), {"message": MESSAGE, "request": REQUEST} if ":" in statement else {})
    _plant_deliveries(conn, 3)


def _plant_deliveries(conn: Connection, count: int) -> None:
    dead = {"state": "dead", "opening": "…", "error": "Forbidden: bot was blocked", "attempts": 12}
    chat = {
        "lane": "telegram:0:5:0",
        "bot_id": 0,
        "chat_id": 5,
        "body": "It is **done**.",
        "created_at": 1000,
    }
    conn.execute(insert(deliveries), [dead | chat] * count)


def _rows(query: str) -> Unit[list[tuple[Any, ...]]]:
    return lambda conn: [tuple(row) for row in conn.execute(text(query))]


async def _get(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _post(client: aiohttp.ClientSession, action: str, **which: Any) -> Any:
    async with client.post(f"/api/dead-letters/{action}", json=which) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def _counts(client: aiohttp.ClientSession) -> dict[str, int]:
    found: dict[str, int] = (await _get(client, "/api/dead-letters"))["counts"]
    return found


async def test_dead_letters_are_counted_by_kind(client: aiohttp.ClientSession) -> None:
    """Each kind has its count; a task that was moved since, and a call that succeeded, are none."""
    assert await _get(client, "/api/dead-letters") == {
        "total": 8,
        "counts": {"updates": 2, "deliveries": 3, "callbacks": 1, "tasks": 1, "calls": 1},
    }


async def test_letters_say_what_they_were_about(client: aiohttp.ClientSession) -> None:
    """Each kind tells why and when it was given up, what it says and whom it concerns; no secret is told."""
    found = {kind: (await _get(client, f"/api/dead-letters/{kind}"))["letters"] for kind in KINDS}
    unreadable, update = found["updates"]
    assert (update["reason"], update["excerpt"], update["lane"], update["given_up_at"]) == (
        "OSError: boom",
        "what is left to do?",
        "telegram:0:5:0",
        "1970-01-01T00:00:02.000Z",
    )
    assert unreadable["excerpt"] is None
    assert (found["deliveries"][0]["excerpt"], found["deliveries"][0]["attempts"]) == ("It is **done**.", 12)
    assert (found["callbacks"][0]["address"], found["callbacks"][0]["reason"]) == (
        "http://127.0.0.1:1/done",
        "HTTP 410",
    )
    assert (found["tasks"][0]["id"], found["tasks"][0]["excerpt"]) == (7, "paint the fence")
    assert (found["calls"][0]["agent"], found["calls"][0]["what"]) == ("nightly", "call")


async def test_list_goes_on_where_a_page_ended(client: aiohttp.ClientSession) -> None:
    """Newest first; the cursor leads to the rest, which nothing that is dropped meanwhile shifts."""
    first = await _get(client, "/api/dead-letters/deliveries?per_page=2")
    assert [one["id"] for one in first["letters"]] == [3, 2]
    assert first["pagination"]["total"] == 3
    await _post(client, "discard", kind="deliveries", ids=[3])
    cursor = first["pagination"]["next_cursor"]
    rest = await _get(client, f"/api/dead-letters/deliveries?per_page=2&cursor={cursor}")
    assert [one["id"] for one in rest["letters"]] == [1]
    assert rest["pagination"]["next_cursor"] is None


async def test_letter_that_is_retried_twice_is_sent_once(
    client: aiohttp.ClientSession, service: Service
) -> None:
    """The second call finds it not dead and adds no work; the audit has one row a letter."""
    once = await _post(client, "retry", kind="deliveries", ids=[2, 1, 999])
    outcomes = [(one["id"], one["outcome"]) for one in once["items"]]
    assert (once["done"], outcomes) == (2, [(1, "retried"), (2, "retried"), (999, "not_dead")])
    again = await _post(client, "retry", kind="deliveries", ids=[1, 2])
    assert (again["done"], {one["outcome"] for one in again["items"]}) == (0, {"not_dead"})

    read = service.services.db.read
    jobs = await read(_rows("SELECT ref, key FROM jobs WHERE kind = 'deliver' ORDER BY id"))
    rows = await read(_rows("SELECT who, action, subject FROM audit ORDER BY id"))
    states = await read(_rows("SELECT state, attempts, error FROM deliveries ORDER BY id"))
    assert jobs == [("1", "send:0:5"), ("2", "send:0:5")]
    assert rows == [("program", "delivery.retry", "1"), ("program", "delivery.retry", "2")]
    assert states == [("pending", 0, None)] * 2 + [("dead", 12, "Forbidden: bot was blocked")]


@pytest.mark.parametrize("kind", KINDS)
async def test_discarded_letters_are_gone_once(client: aiohttp.ClientSession, kind: str) -> None:
    """Whatever the kind, what is discarded is listed no more; a second time there is nothing to do."""
    before = await _counts(client)
    ids = [one["id"] for one in (await _get(client, f"/api/dead-letters/{kind}"))["letters"]]
    done = await _post(client, "discard", kind=kind, ids=ids)
    assert (done["done"], {one["outcome"] for one in done["items"]}) == (before[kind], {"discarded"})
    assert (await _post(client, "discard", kind=kind, ids=ids))["done"] == 0
    assert (await _post(client, "retry", kind=kind, ids=ids))["done"] == 0
    assert await _counts(client) == before | {kind: 0}


async def test_retried_letters_go_their_way_again(client: aiohttp.ClientSession, service: Service) -> None:
    """An update is handled, a callback and a call are made again; a queue that was gone is there again."""
    for kind, number in (("updates", 1), ("callbacks", 4), ("calls", 5)):
        assert (await _post(client, "retry", kind=kind, ids=[number]))["done"] == 1

    async def moved() -> bool:
        found = await service.services.db.read(_rows(_MOVED))
        return found == [("refused", 1, 1, 0, 1)]

    await eventually(moved, "each of them was tried again", timeout_seconds=20)


async def test_task_is_made_ready_or_stays_in_the_backlog(client: aiohttp.ClientSession) -> None:
    """Discarded, it is an ordinary backlogged task, so what waits for it still does; retried, it is ready."""
    await _post(client, "discard", kind="tasks", ids=[7, 9])
    task = await _get(client, "/api/tasks/7")
    assert (task["status_label"], task["failures"]) == ("backlogged", 0)
    assert (await _get(client, "/api/tasks/9"))["status_label"] == "ready"
    await client.put("/api/tasks/7", json={"status": 0})
    assert (await _post(client, "retry", kind="tasks", ids=[7]))["done"] == 0


@pytest.mark.n_plus_one(repeats=5)
@pytest.mark.parametrize("action", ["retry", "discard"])
async def test_all_of_a_kind_takes_bounded_calls_of_few_statements(
    client: aiohttp.ClientSession, service: Service, action: str
) -> None:
    """Two hundred at a time, oldest first, by as many statements as for two; the answers lead to the end."""
    await service.services.db.write(lambda conn: _plant_deliveries(conn, 212))
    assert len((await _get(client, "/api/dead-letters/deliveries?per_page=200"))["letters"]) == 200
    sent: list[int] = []
    done, after = 0, 0
    path = f"/api/dead-letters/{action}"
    async with client.post(path, json={"kind": "deliveries", "ids": [1, 2]}) as two:
        sent.append(int(two.headers["x-wireroom-statements"]))
    while True:
        which = {"kind": "deliveries", "after": after}
        async with client.post(path, json=which) as answer:
            body = await answer.json()
            sent.append(int(answer.headers["x-wireroom-statements"]))
        done += body["done"]
        assert len(body["items"]) <= 200
        if body["next"] is None:
            break
        after = body["next"]
    assert (done, (await _counts(client))["deliveries"]) == (213, 0)
    assert len(sent) == 3
    assert max(sent) <= sent[0] + 1  # to look for those that are next


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "deliveries"},
        {"kind": "deliveries", "ids": [1], "after": 0},
        {"kind": "deliveries", "ids": []},
        {"kind": "deliveries", "ids": list(range(1, 202))},
        {"kind": "deliveries", "ids": [0]},
        {"kind": "letters", "ids": [1]},
    ],
    ids=["nothing", "both", "none", "too many", "no id", "unknown kind"],
)
async def test_unclear_wishes_change_nothing(client: aiohttp.ClientSession, body: dict[str, Any]) -> None:
    """What cannot be meant is refused as a whole."""
    async with client.post("/api/dead-letters/discard", json=body) as answer:
        assert answer.status == 422
    assert (await _counts(client))["deliveries"] == 3


async def test_letters_are_for_those_who_are_known(service: Service) -> None:
    """Without a secret nobody sees or changes them."""
    async with client_of(service) as stranger:
        for method, path in (("GET", ""), ("GET", "/tasks"), ("POST", "/retry")):
            async with stranger.request(method, f"/api/dead-letters{path}", json={}) as answer:
                assert answer.status == 401
