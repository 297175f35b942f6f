"""The cache of a whole service: warm from the start, never older than what was written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pysqlite3

from wireroom.api.access_sessions import KnownSession
from wireroom.api.auth import COOKIE
from wireroom.app.service import Service
from wireroom.cache.names import CONVERSATIONS, SESSIONS, SETTINGS
from wireroom.conversations.pages import ConversationPage
from wireroom.testing.eventually import eventually

Client = aiohttp.ClientSession


async def _listed(client: Client) -> list[tuple[str, int]]:
    async with client.get("/api/list") as response:
        assert response.status == 200
        return [(one["conversationId"], one["messageCount"]) for one in await response.json()]


async def test_settings_and_conversations_are_at_hand_from_the_start(service: Service) -> None:
    """Nobody has asked yet, and both are in memory."""
    cache = service.services.cache
    settings = cache.open(SETTINGS, dict[str, int])
    lists = cache.open(CONVERSATIONS, ConversationPage)

    await eventually(lambda: settings.memory.entries and lists.memory.entries, "both are warm")


async def test_page_session_is_read_once(service: Service, page: Client) -> None:
    """A further request asks the database nothing about it; its end is heeded at once."""
    sessions = service.services.cache.open(SESSIONS, KnownSession)
    for _ in range(3):
        async with page.get("/api/runs") as response:
            assert response.status == 200
    assert len(sessions.memory.entries) == 1
    computed = sessions.figures.computations
    async with page.get("/api/runs") as response:
        assert response.status == 200
    assert sessions.figures.computations == computed
    token = next(iter(page.cookie_jar)).value
    async with page.post("/logout", headers={"Origin": service.address}, allow_redirects=False) as response:
        assert response.status == 303
    async with page.get("/api/runs", headers={"Cookie": f"{COOKIE}={token}"}) as response:
        assert response.status == 401


async def test_each_message_is_in_the_next_list(
    program: Client, ask: Callable[..., Any], until: Callable[..., Any]
) -> None:
    """A list that was kept before a run's answer is not the list after it."""
    assert await _listed(program) == []
    run_id = await ask("say hello")
    await until(run_id, "succeeded", "failed")
    ((name, count),) = await _listed(program)
    run_id = await ask("say hello again")
    await until(run_id, "succeeded", "failed")
    assert await _listed(program) == [(name, 2 * count)]


async def test_session_that_another_process_ended_is_refused(
    service: Service, page: Client, database_path: Path
) -> None:
    """A row that any other program deletes counts here within a moment."""
    async with page.get("/api/runs") as response:
        assert response.status == 200
    raw = pysqlite3.connect(database_path)
    raw.execute("DELETE FROM page_sessions")
    raw.commit()
    raw.close()

    async def refused() -> bool:
        async with page.get("/api/runs") as response:
            return response.status == 401

    await eventually(refused, "the session is over")


async def test_figures_of_the_cache_are_shown(page: Client) -> None:
    """`/metrics` has hits by name and level once they are counted."""

    async def shown() -> bool:
        async with page.get("/api/runs") as response:
            assert response.status == 200
        async with page.get("/metrics") as response:
            text = await response.text()
        hits = 'wireroom_cache_lookups_total{level="memory",name="sessions",result="hit"}'
        return any(line.startswith(hits) and not line.endswith(" 0.0") for line in text.splitlines())

    await eventually(shown, "hits of page sessions are counted")
