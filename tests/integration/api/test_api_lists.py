"""Lists in pieces and as lines, on a whole service with more rows than fit into one piece."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Connection, insert

from wireroom.api.streaming import NDJSON, PIECE
from wireroom.app.service import Service
from wireroom.store.schema import callbacks, conversations, deliveries, runs, tasks

Client = aiohttp.ClientSession
MANY = 2 * PIECE + 7
LISTS: Mapping[str, tuple[str, str | None]] = {
    "/api/runs": ("id", "runs"),
    "/api/deliveries": ("id", "deliveries"),
    "/api/callbacks": ("id", "callbacks"),
    "/api/list": ("conversationId", None),
    "/api/tasks": ("id", None),
}
"""What tells items of a list apart, and where in the body they are."""


def _fill(conn: Connection) -> None:
    """Store many rows of each kind, several with the same time."""
    numbers = range(1, MANY + 1)
    conn.execute(
        insert(conversations),
        [
            {
                "id": f"c{number:04}",
                "channel": "api",
                "lane": "queue:x",
                "is_current": 0,
                "workdir": "/",
                "created_at": number,
                "active_at": number // 3,
            }
            for number in numbers
        ],
    )
    conn.execute(
        insert(runs),
        [
            {
                "id": f"r{number:04}",
                "request_id": f"q{number}",
                "conversation_id": "c0001",
                "lane": "queue:x",
                "source": "api",
                "prompt": "x",
                "backend": "demo",
                "workdir": "/",
                "state": "succeeded",
                "queued_at": number // 3,
            }
            for number in numbers
        ],
    )
    conn.execute(
        insert(deliveries),
        [
            {
                "lane": "telegram:1",
                "bot_id": 1,
                "chat_id": 1,
                "opening": "",
                "state": "sent",
                "created_at": number,
            }
            for number in numbers
        ],
    )
    conn.execute(
        insert(callbacks),
        [
            {"run_id": "r0001", "url": "http://x/", "state": "sent", "created_at": number, "attempts": 1}
            for number in numbers
        ],
    )
    conn.execute(
        insert(tasks), [{"prompt": f"t{number}", "order": number // 3, "status": 3} for number in numbers]
    )


@pytest.fixture
async def filled(service: Service) -> Service:
    """Return a service with many rows in every list."""
    await service.services.db.write(_fill)
    return service


async def pages(client: Client, path: str, per_page: int) -> list[Any]:
    """Return the whole list, read by following each page's cursor."""
    key, where = LISTS[path]
    found: list[Any] = []
    query: str | None = f"?per_page={per_page}"
    while query is not None:
        async with client.get(path + query) as response:
            assert response.status == 200, await response.text()
            body, link = await response.json(), response.headers.get("Link", "")
        items = body if isinstance(body, list) else body[where or "tasks"]
        assert 0 < len(items) <= per_page
        found += [item[key] for item in items]
        if where is None:
            query = link.partition("<")[2].partition(">")[0] or None
        else:
            cursor = body["pagination"]["next_cursor"]
            query = cursor and f"?per_page={per_page}&cursor={cursor}"
    return found


async def lines(client: Client, path: str, query: str = "") -> list[Any]:
    """Return the whole list, read as lines."""
    async with client.get(path + query, headers={"Accept": NDJSON}) as response:
        assert (response.status, response.content_type) == (200, NDJSON)
        return [json.loads(line)[LISTS[path][0]] async for line in response.content]


async def test_every_list_is_whole_however_it_is_read(filled: Service, program: Client) -> None:
    """By cursor and as lines each item comes once, in the same order, equal times or not."""
    assert filled.address
    for path in LISTS:
        by_cursor = await pages(program, path, 150)
        assert len(by_cursor) == len(set(by_cursor)) == MANY, path
        assert await lines(program, path) == by_cursor, path


async def test_list_can_be_read_upwards(filled: Service, program: Client) -> None:
    """Conversations and tasks have two orders, and a cursor goes on in its own."""
    assert filled.address
    for path in ("/api/list", "/api/tasks"):
        ways = [await lines(program, path, f"?sortOrder={way}") for way in ("asc", "desc")]
        assert sorted(ways[0]) == sorted(ways[1])
        assert ways[0][0] != ways[1][0]
    async with program.get("/api/list?sortOrder=asc&limit=2") as response:
        link = response.headers["Link"].partition("<")[2].partition(">")[0]
    async with program.get(f"/api/list{link}") as response:
        second = [one["conversationId"] for one in await response.json()]
    assert second == (await lines(program, "/api/list", "?sortOrder=asc"))[2:4]


async def test_new_rows_do_not_shift_what_follows_a_cursor(filled: Service, program: Client) -> None:
    """Unlike the second page by number, the next piece has nothing that was seen."""
    async with program.get("/api/deliveries?per_page=3") as response:
        first = await response.json()
    await filled.services.db.write(
        lambda conn: conn.execute(
            insert(deliveries).values(lane="l", bot_id=1, chat_id=1, opening="", state="sent", created_at=9)
        )
    )
    cursor = first["pagination"]["next_cursor"]
    async with program.get(f"/api/deliveries?per_page=3&cursor={cursor}") as response:
        second = await response.json()
    assert [one["id"] for one in second["deliveries"]] == [MANY - 3, MANY - 4, MANY - 5]
    assert second["pagination"]["total"] == MANY + 1


@pytest.mark.parametrize("path", [*LISTS, "/agents"])
async def test_nonsense_is_refused(program: Client, path: str) -> None:
    """A cursor of another list or of none is 400; sizes and pages out of range are 422."""
    for query, status in (
        ("cursor=x", 400),
        ("cursor=W3RydWVd", 400),
        ("cursor=WzEsIngiLDNd", 400),
        ("per_page=0", 422),
        ("per_page=100000", 422),
        ("page=0", 422),
        ("page=1e3", 422),
    ):
        async with program.get(f"{path}?{query}") as response:
            assert response.status == status, (query, await response.text())


async def test_agents_are_paged_by_name(program: Client) -> None:
    """The older body stays as it was; the header tells where the list goes on."""
    for name in ("b", "a", "c"):
        body = {"name": name, "targetUrl": "http://127.0.0.1:1/", "schedule": "0 8 * * *"}
        async with program.post("/agents", json=body) as response:
            assert response.status == 200, await response.text()
    async with program.get("/agents?per_page=2") as response:
        first, link = await response.json(), response.headers["Link"]
    async with program.get("/agents" + link.partition("<")[2].partition(">")[0]) as response:
        second = await response.json()
        assert "Link" not in response.headers
    async with program.get("/agents", headers={"Accept": NDJSON}) as response:
        as_lines = [json.loads(line)["name"] async for line in response.content]
    assert [[one["name"] for one in body["agents"]] for body in (first, second)] == [["a", "b"], ["c"]]
    assert (set(first), first["total"]) == ({"agents", "total"}, 3)
    assert as_lines == ["a", "b", "c"]


async def test_reader_who_leaves_ends_the_reading(filled: Service, program: Client) -> None:
    """A list that is given up in the middle holds nothing: the service goes on answering."""
    assert filled.address
    response = await program.get("/api/runs", headers={"Accept": NDJSON})
    await response.content.readline()
    response.close()
    async with asyncio.timeout(10), program.get("/api/runs?per_page=1") as other:
        assert (await other.json())["pagination"]["total"] == MANY
