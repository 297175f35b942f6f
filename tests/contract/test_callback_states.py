"""The state of open requests in Redis: an older chat front end beside us reads ours, and we read its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr
from sqlalchemy import Connection, text

from running_service import API_SECRET, OWNER, client_of, running_service
from wireroom.callbacks.pending import Pending
from wireroom.callbacks.pending_states import _OPEN, PendingStates
from wireroom.intake.older_answers import answer_older_request
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.redis.address import read_address
from wireroom.redis.breaker import BreakerRule
from wireroom.redis.client import PoolRule
from wireroom.redis.pool import RedisPool
from wireroom.store.database import Database
from wireroom.store.sqlite import SqliteDatabase
from wireroom.testing import BotAPIServer
from wireroom.testing.clock import ManualClock
from wireroom.testing.eventually import eventually
from wireroom.testing.redis_server import RedisServer, running_redis

pytestmark = pytest.mark.timeout(120)
KEY = "cursor_runner_callback:"
SECRET = {"X-Webhook-Secret": API_SECRET}
_ROWS = """
    INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
        VALUES ('c', 'telegram', 'lane', 1, '/', 1, 1);
    INSERT INTO runs (id, request_id, source, source_message_id, prompt, backend, state, epoch, queued_at,
            conversation_id, lane, workdir)
        VALUES ('run-1', 'telegram-7-1', 'telegram', 11, 'first', 'demo', 'queued', 0, :now, 'c', 'l', '/'),
            ('run-2', 'telegram-7-2', 'telegram', 12, 'two', 'remote', 'running', 2, :now, 'c', 'l', '/'),
            ('run-3', 'telegram-7-3', 'telegram', 13, 'done', 'demo', 'succeeded', 1, :now, 'c', 'l', '/'),
            ('run-4', 'telegram-7-4', 'telegram', 14, 'old', 'demo', 'queued', 0, :old, 'c', 'l', '/'),
            ('run-5', 'web-5', 'web', NULL, 'of the page', 'demo', 'queued', 0, :now, 'c', 'l', '/');
    INSERT INTO run_attempts (run_id, epoch, worker, errand, state, started_at, lease_until)
        VALUES ('run-2', 1, 'w', 'run-2.1', 'lost', 1, 1), ('run-2', 2, 'w', 'run-2.2', 'running', 1, 1);
    INSERT INTO deliveries (run_id, lane, bot_id, chat_id, state, opening, attempts, created_at)
        VALUES ('run-1', 'lane', 7, -100, 'waiting', '', 0, 1), ('run-2', 'lane', 7, 42, 'waiting', '', 0, 1),
            ('run-3', 'lane', 7, 42, 'waiting', '', 0, 1), ('run-4', 'lane', 7, 42, 'waiting', '', 0, 1)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """Lend a server of this test's own."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with running_redis(folder) as running:
        yield running


@pytest.fixture
async def pool(server: RedisServer) -> AsyncIterator[RedisPool]:
    """Lend a pool that looks for the server."""
    rule, breaker = PoolRule(connect_seconds=10, command_seconds=10), BreakerRule(0, 0.01, 0.05, 0.05)
    made = RedisPool(read_address(server.url), rule, breaker)
    watch = asyncio.create_task(made.run())
    async with asyncio.timeout(60):
        await made.wait_up()
    yield made
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)
    await made.close()


async def execute(db: Database, statements: str, **values: Any) -> None:
    """Run statements in one unit."""

    def unit(conn: Any) -> None:
        for statement in statements.split(";"):
            named = {name: value for name, value in values.items() if f":{name}" in statement}
            conn.execute(text(statement), named)

    await db.write(unit)


def states_in(server: RedisServer) -> dict[str, Any]:
    """Return what an older service would find, by its plain commands."""
    names = server.command("SCAN", "0", "MATCH", f"{KEY}*", "COUNT", "1000")[1]
    values = {name.decode().removeprefix(KEY): server.command("GET", name.decode()) for name in names}
    return {name: json.loads(value) for name, value in values.items() if value is not None}


async def test_open_requests_are_there_for_an_older_service(
    db: Database, pool: RedisPool, server: RedisServer
) -> None:
    """Each open request of the chat has its state, also by the id at a runner elsewhere; ended ones go."""
    clock = ManualClock()
    now_ms = int(clock.now().timestamp() * 1000)
    await execute(db, _ROWS, now=now_ms, old=now_ms - 3_600_000)
    states = PendingStates(db, pool, clock, ttl_seconds=3600)
    await states.step()

    found = states_in(server)
    assert set(found) == {"telegram-7-1", "telegram-7-2", "run-2.2"}
    assert found["run-2.2"] == found["telegram-7-2"]
    assert {name: found["telegram-7-1"][name] for name in ("chat_id", "message_id", "prompt")} == {
        "chat_id": -100,
        "message_id": 11,
        "prompt": "first",
    }
    assert 3500 < server.command("TTL", KEY + "telegram-7-1") <= 3600

    await execute(db, "UPDATE runs SET state = 'succeeded' WHERE id = 'run-2'")
    await states.step()
    assert set(states_in(server)) == {"telegram-7-1"}


async def test_looking_at_open_requests_walks_indexes(database: SqliteDatabase) -> None:
    """The look that comes each second reads no table from end to end."""

    def plan(conn: Connection) -> list[str]:
        query = text(f"EXPLAIN QUERY PLAN {_OPEN._sql}")
        return [str(row[3]) for row in conn.execute(query, {"since_ms": 0})]

    steps = await database.read(plan)
    assert any("ix_runs_state" in step for step in steps)
    assert any("ix_deliveries_run" in step for step in steps)
    assert not any(step.startswith("SCAN") for step in steps)


async def test_states_are_written_anew_after_an_outage(
    database: SqliteDatabase, pool: RedisPool, server: RedisServer
) -> None:
    """A server that comes back empty is filled again; what ended meanwhile is not in it."""
    clock = ManualClock()
    now_ms = int(clock.now().timestamp() * 1000)
    await execute(database, _ROWS, now=now_ms, old=0)
    states = PendingStates(database, pool, clock, ttl_seconds=3600, look_seconds=0.01)
    following = asyncio.create_task(states.run())
    try:
        await eventually(lambda: "telegram-7-1" in states_in(server), "the state is there")
        await asyncio.to_thread(server.stop)
        await execute(database, "UPDATE runs SET state = 'failed' WHERE id = 'run-2'")
        await asyncio.to_thread(server.start)

        await eventually(lambda: set(states_in(server)) == {"telegram-7-1"}, "the open one alone")
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def test_answer_is_stored_once_although_its_state_outlived_a_crash(database: SqliteDatabase) -> None:
    """Whoever ends between the commit and the removal of the key sends no second answer when asked again."""
    jobs = EmbeddedJobs(ManualClock())

    def answer(conn: Connection) -> bool:
        pending = Pending(42, 7, "p", "")
        return answer_older_request(conn, jobs, "old-1", pending, {"success": True}, bot_id=7, now_ms=1)

    def stored(conn: Connection) -> list[tuple[object, ...]]:
        rows = conn.execute(text("SELECT lane, chat_id, reply_to, state FROM deliveries"))
        return [tuple(row) for row in rows]

    assert await database.write(answer)
    assert not await database.write(answer)
    assert await database.read(stored) == [("telegram:7:42:0", 42, 7, "pending")]


async def test_service_and_older_front_end_know_each_others_requests(
    database_path: Path, server: RedisServer
) -> None:
    """A callback for a request of the older front end is answered in its chat, once; ours are there for it.

    Without Redis everything else goes on, and a callback that only Redis could know of is to be sent again.
    """
    state = {"chat_id": OWNER, "message_id": 1, "prompt": "p", "original_was_audio": False, "created_at": "x"}
    server.command("SETEX", f"{KEY}0ld-1", "3600", json.dumps(state))
    body = {"success": True, "requestId": "0ld-1", "output": "from before", "exitCode": 0}
    slow: dict[str, Any] = {"redis_connect_seconds": 10, "redis_command_seconds": 10}
    async with BotAPIServer() as telegram:
        chat = telegram.private_chat(telegram.user(OWNER))
        more: dict[str, Any] = {"redis_url": SecretStr(server.url), "log_level": "debug"}
        async with (
            running_service(database_path.parent, telegram, **more, **slow) as service,
            client_of(service) as http,
        ):
            await eventually(lambda: _redis_is(http, "ok"), "Redis is found")
            assert await _call_back(http, body) == (200, {"received": True, "request_id": "0ld-1"})
            await eventually(
                lambda: [one.text for one in telegram.visible(chat)] == ["from before"], "the answer"
            )
            for request_id in ("0ld-1", "never"):
                again = await _call_back(http, body | {"requestId": request_id})
                assert again == (200, {"received": True, "message": "Request not found"})
            async with http.post("/cursor-runner/callback", json=body, headers=SECRET) as response:
                assert response.headers["x-wireroom-redis-operations"] == "1"
            async with http.get("/metrics") as response:
                figures = await response.text()
            assert "wireroom_redis_up 1.0" in figures
            assert 'wireroom_redis_operations_total{command="GET",result="ok"}' in figures

            await telegram.user_says(chat, "sleep 600")
            await eventually(lambda: len(states_in(server)) == 1, "the state of our own request")
            [(name, found)] = states_in(server).items()
            assert name.startswith("telegram-")
            assert (found["chat_id"], found["prompt"]) == (OWNER, "sleep 600")
            await telegram.user_says(chat, "/stop")
            await eventually(lambda: not states_in(server), "its end")

            await asyncio.to_thread(server.stop)
            await eventually(lambda: _redis_is(http, "degraded: "), "it is ready, and says what is missing")
            status, _ = await _call_back(http, body | {"requestId": "0ld-2"})
            assert status == 503
            await telegram.user_says(chat, "calculate 6 * 7")
            await eventually(lambda: "42" in (telegram.visible(chat)[-1].text or ""), "work goes on")
            assert [one.text for one in telegram.visible(chat)].count("from before") == 1
            await asyncio.to_thread(server.start)
            await eventually(lambda: _redis_is(http, "ok"), "Redis is found again")


async def _call_back(http: aiohttp.ClientSession, body: dict[str, Any]) -> tuple[int, Any]:
    """Report as a runner does."""
    async with http.post("/cursor-runner/callback", json=body, headers=SECRET) as response:
        return response.status, await response.json()


async def _redis_is(http: aiohttp.ClientSession, word: str) -> bool:
    """Tell whether the service is ready and says that of Redis."""
    async with http.get("/ready") as response:
        assert response.status == 200
        return str((await response.json())["checks"]["redis"]).startswith(word)
