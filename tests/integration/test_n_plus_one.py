"""Lists ask the database a fixed number of times, however many rows they show; and who does not is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import Connection

from running_service import API_SECRET, client_of, running_service
from wireroom.app.service import Service
from wireroom.perf.sql_scope import Scope
from wireroom.runs import queries
from wireroom.store.sqlite import SqliteDatabase

ROWS = 30
HEADERS = {"Authorization": f"Bearer {API_SECRET}"}
FILL = """
INSERT INTO conversations
        (id, channel, lane, is_current, title, workdir, message_count, created_at, active_at)
    SELECT 'c' || n, 'api', 'queue:api:' || n, 1, 'x', '/w', 1, n, n FROM n;
INSERT INTO messages (conversation_id, seq, role, content, created_at)
    SELECT 'c' || n, 1, 'user', 'x', n FROM n;
INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, epoch,
        interruptions, event_count, queued_at)
    SELECT 'r' || n, 'q' || n, 'c' || n, 'queue:api:' || n, 'api', 'x', 'demo', '/w', 'succeeded', 1, 0, 0, n
    FROM n;
INSERT INTO deliveries (run_id, lane, bot_id, chat_id, state, opening, attempts, created_at)
    SELECT 'r' || n, 'queue:api:' || n, 1, n, 'dead', 'x', 0, n FROM n;
INSERT INTO tasks (prompt, status, "order") SELECT 'x', 4, n FROM n;
INSERT INTO task_dependencies (task_id, needs_id) SELECT n, n - 1 FROM n WHERE n > 1;
INSERT INTO callbacks (url, state, created_at) SELECT 'http://127.0.0.1/' || n, 'dead', n FROM n;
INSERT INTO agent_conversations (id, created_at, active_at) SELECT 'a' || n, n, n FROM n;
INSERT INTO agent_messages (conversation_id, seq, role, content, created_at)
    SELECT 'a' || n, 1, 'user', 'x', n FROM n;
INSERT INTO queues (name, created_at) SELECT 'q' || n, n FROM n;
INSERT INTO agents
        (name, action, request, queue, timezone, overlap, missed, retry, created_at, updated_at)
    SELECT 'a' || n, 'call', '{"url": "http://127.0.0.1", "method": "GET"}', 'q' || n, 'UTC', 'skip',
        'run_once', '{}', n, n FROM n;
"""
NUMBERS = f"WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {ROWS}) "
LISTS = (
    "/api/runs?limit=30",
    "/api/deliveries?state=dead",
    "/api/callbacks?state=dead",
    "/api/tasks",
    "/api/list",
    "/conversations/api/list",
    "/agents",
    "/queues",
    "/api/agents?limit=30",
    "/api/queues",
    "/api/agent/list",
    "/agent-conversations/api/list",
    "/api/tasks?page=2&per_page=10",
    "/api/runs?page=2&per_page=10",
    "/api/chat/conversations",
    "/api/access/accounts",
    "/api/access/audit",
    "/api/access/people",
    "/api/access/sessions",
    "/api/board",
    "/api/board/choices",
    "/api/dead-letters",
    "/api/dead-letters/callbacks",
    "/api/dead-letters/deliveries",
    "/api/environment",
    "/api/files/places",
    "/api/performance?window=5m",
    "/api/run-views",
    "/api/run-views/r1",
    "/api/settings",
)


@pytest.fixture
async def service(database: SqliteDatabase) -> AsyncIterator[Service]:
    """Run a service that has thirty of everything, and tells how many statements an answer took."""
    await database.write(_fill)
    async with running_service(database.path.parent, log_level="debug") as running:
        yield running


def _fill(conn: Connection) -> None:
    for statement in FILL.split(";")[:-1]:
        head, select, rows = statement.strip().partition("SELECT")
        conn.exec_driver_sql(head + NUMBERS + select + rows)


@pytest.mark.n_plus_one(repeats=5)
async def test_lists_ask_a_fixed_number_of_times(service: Service) -> None:
    """Each list of thirty is read by a handful of statements, none when it is kept; the answer says it."""
    asked = {}
    async with client_of(service) as client:
        for path in LISTS:
            async with client.get(path, headers=HEADERS) as answer:
                await answer.read()
            asked[path] = (answer.status, int(answer.headers["x-wireroom-statements"]))

    assert {path: told for path, told in asked.items() if told[0] != 200 or told[1] > 12} == {}
    assert asked["/api/runs?limit=30"][1] > 0


async def test_number_of_statements_is_told_only_when_debugging(database_path: Path) -> None:
    """Otherwise an answer says nothing of how it was made."""
    async with (
        running_service(database_path.parent) as running,
        client_of(running) as client,
        client.get("/api/runs", headers=HEADERS) as answer,
    ):
        assert "x-wireroom-statements" not in answer.headers


async def test_metrics_show_statements_and_pools(service: Service) -> None:
    """`/metrics` has statements by request, the time of all, and the connections of each pool."""
    async with client_of(service) as client:
        await (await client.get("/api/runs", headers=HEADERS)).read()
        text = await _metrics(client)

    shown = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(shown['wireroom_store_statements_count{work="request"}']) >= 1
    assert float(shown["wireroom_store_statements_sent_total"]) >= 1
    assert float(shown["wireroom_store_statements_seconds_total"]) > 0
    assert shown['wireroom_pool_connections{pool="sqlite readers",state="size"}'] == "4.0"
    assert float(shown['wireroom_pool_connects_total{pool="sqlite readers"}']) >= 1


async def _metrics(client: aiohttp.ClientSession) -> str:
    async with client.get("/metrics", headers=HEADERS) as answer:
        return await answer.text()


@pytest.mark.xfail(
    strict=True, raises=pytest.fail.Exception, reason="planted: the marker must fail this test"
)
@pytest.mark.n_plus_one(repeats=5)
async def test_marked_test_with_one_read_a_row_fails(database: SqliteDatabase) -> None:
    """A request that looks each run up by itself fails the test that is marked for it."""

    def look_up_each(conn: Connection) -> None:
        for number in range(ROWS):
            queries.find_run(conn, f"r{number}")

    with Scope("request", "GET /planted"):
        await database.read(look_up_each)
