"""What stands before the routes of a whole service: kept answers, compression, budgets, time limits."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import aiohttp
import brotli  # type: ignore[import-untyped]  # the package has no types
import zstandard

from running_service import API_SECRET, WEBHOOK_SECRET, client_of, running_service
from wireroom.app.engine import Engine, open_engine
from wireroom.app.service import Service
from wireroom.app.web_server import bind
from wireroom.clock import Clock
from wireroom.perf.metrics import HTTP_CACHED
from wireroom.settings import Settings
from wireroom.store.database import Database, Unit
from wireroom.testing.scripted_agent import ScriptedAgent

Client = aiohttp.ClientSession
SECRET = {"X-Webhook-Secret": API_SECRET}
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda raw: zstandard.ZstdDecompressor().decompressobj().decompress(raw),
    "br": brotli.decompress,
    "gzip": gzip.decompress,
    "identity": bytes,
}


def kept_and_made() -> tuple[float, float]:
    """Return how many answers were given again, and how many were made."""
    kept, made = (float(HTTP_CACHED.labels(result)._value.get()) for result in ("kept", "made"))
    return kept, made


async def test_list_that_has_not_changed_is_not_sent_again(program: Client, service: Service) -> None:
    """304 until somebody writes; then the new list at once, although the old one was kept."""
    assert service.address
    async with program.get("/api/runs") as response:
        first, tag = await response.json(), response.headers["ETag"]
    async with program.get("/api/runs", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    body = {"request_id": "r1", "text": "say hello"}
    async with program.post("/api/chat/messages", json=body) as response:
        assert response.status == 202
    async with program.get("/api/runs", headers={"If-None-Match": tag}) as response:
        second = await response.json()
    assert (first["pagination"]["total"], second["pagination"]["total"]) == (0, 1)


async def test_list_that_was_just_made_is_not_made_again(database_path: Path) -> None:
    """The same caller is given the kept one; for another caller one is made."""
    async with (
        running_service(database_path.parent, response_cache_seconds=60.0) as service,
        client_of(service) as client,
    ):
        before = kept_and_made()
        for name in ("X-Webhook-Secret", "X-Webhook-Secret", "X-Admin-Secret"):
            async with client.get("/api/list", headers={name: API_SECRET}) as response:
                assert response.status == 200
    kept, made = kept_and_made()
    assert (kept - before[0], made - before[1]) == (1, 2)


async def test_list_of_conversations_shows_what_was_just_said(program: Client, service: Service) -> None:
    """Kept until one of them changes, by whatever way the service hears of it."""
    assert service.address
    seen = []
    for _ in range(2):
        async with program.get("/api/list") as response:
            seen.append(await response.json())
        async with program.post("/api/new", json={}) as response:
            assert response.status == 200, await response.text()
    async with program.get("/api/list") as response:
        seen.append(await response.json())
    assert [len(one) for one in seen] == [0, 1, 2]


async def test_kept_answer_is_for_nobody_else(program: Client, stranger: Client, page: Client) -> None:
    """Who shows nothing, or the wrong thing, is refused however fresh somebody else's answer is."""
    for client, status in ((program, 200), (stranger, 401), (page, 200), (stranger, 401)):
        async with client.get("/api/runs") as response:
            assert response.status == status
    async with stranger.get("/api/runs", headers={"Authorization": "Bearer wrong"}) as response:
        assert response.status == 401


async def test_answers_are_compressed_as_the_caller_can_read(service: Service) -> None:
    """A long text shrinks to a fraction, or comes as it is."""
    sizes = {}
    async with aiohttp.ClientSession(service.address, auto_decompress=False) as client:
        for coding in ("zstd", "br", "gzip", "identity"):
            async with client.get("/metrics", headers={"Accept-Encoding": coding}) as response:
                raw = await response.read()
                assert response.headers.get("Content-Encoding", "identity") == coding
                assert "Accept-Encoding" in response.headers["Vary"]
            sizes[coding] = len(raw)
            assert b"wireroom_runs_active" in DECODERS[coding](raw)
    assert all(4 * sizes[coding] < sizes["identity"] for coding in ("zstd", "br", "gzip"))


async def test_live_streams_and_hot_routes_are_not_compressed(program: Client, service: Service) -> None:
    """What must come at once is not held by a compressor."""
    assert service.address
    headers = {"Accept-Encoding": "gzip, br, zstd"}
    async with program.post("/api/chat/messages", json={"request_id": "s1", "text": "say hello"}) as response:
        run_id = (await response.json())["run_id"]
    for path in (f"/api/runs/{run_id}/stream", "/health"):
        async with program.get(path, headers=headers) as response:
            assert response.status == 200
            assert "Content-Encoding" not in response.headers


async def test_strangers_are_held_off_and_programs_are_not(database_path: Path) -> None:
    """Guesses at the secret end with 429; with the secret, and for Telegram and probes, nothing changes."""
    async with (
        running_service(database_path.parent, address_requests_per_minute=3) as service,
        client_of(service) as client,
    ):
        statuses = []
        for guess in range(5):
            async with client.get("/api/runs", headers={"X-Webhook-Secret": str(guess)}) as response:
                statuses.append(response.status)
        assert statuses == [401, 401, 401, 429, 429]
        assert int(response.headers["Retry-After"]) >= 1
        async with client.get("/api/runs", headers=SECRET) as response:
            assert (response.status, response.headers["RateLimit-Limit"]) == (200, "300000")
        for path in ("/health", "/ready"):
            async with client.get(path) as response:
                assert response.status == 200
        telegram = {"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}
        async with client.post("/telegram/webhook", json={}, headers=telegram) as response:
            assert response.status != 429
        async with client.post("/cursor-runner/callback", json={}) as response:
            assert response.status == 401


class Stuck:
    """A database whose reads wait for as long as it is told."""

    def __init__(self) -> None:
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    @asynccontextmanager
    async def engine(self, settings: Settings, clock: Clock) -> AsyncIterator[Engine]:
        """Open the product's own engine behind it."""
        async with open_engine(settings, clock) as engine:
            self._db = engine.db
            yield dataclasses.replace(engine, db=cast("Database", self))

    async def read(self, unit: Unit[Any]) -> Any:
        """Read, once it goes on."""
        await self.goes_on.wait()
        return await self._db.read(unit)

    def __getattr__(self, name: str) -> Any:
        """Do everything else at once."""
        return getattr(self._db, name)


async def test_request_that_waits_for_the_database_ends_with_504(database_path: Path) -> None:
    """Nobody waits for good, and the service goes on."""
    stuck = Stuck()
    async with (
        running_service(database_path.parent, engine=stuck.engine, request_seconds=1.0) as service,
        client_of(service) as client,
    ):
        stuck.goes_on.clear()
        async with client.get("/api/runs/r1", headers=SECRET) as response:
            assert (response.status, (await response.json())["path"]) == (504, "/api/runs/r1")
        stuck.goes_on.set()
        async with client.get("/health") as response:
            assert response.status == 200


async def test_settings_switch_everything_off(database_path: Path, agent: ScriptedAgent) -> None:
    """Without compression, kept answers and limits the service answers as it is."""
    del agent
    settings: dict[str, Any] = {
        "compression": False,
        "response_cache_seconds": 0.0,
        "identity_requests_per_minute": 0,
        "address_requests_per_minute": 0,
        "request_seconds": 0.0,
    }
    assert set(settings) <= set(Settings.model_fields)
    async with running_service(database_path.parent, **settings) as service, client_of(service) as client:
        headers = {**SECRET, "Accept-Encoding": "gzip"}
        async with client.get("/metrics", headers=headers) as response:
            assert "Content-Encoding" not in response.headers
            assert "RateLimit-Limit" not in response.headers


async def test_answers_are_sent_without_waiting_for_the_other_side() -> None:
    """On asyncio's own loop, too, each connection has TCP_NODELAY: an answer goes out in two writes."""
    accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    listener = bind("127.0.0.1", 0)
    server = await asyncio.start_server(lambda _, writer: accepted.put_nowait(writer), sock=listener)
    async with server:
        _, caller = await asyncio.open_connection(*listener.getsockname())
        writer = await accepted.get()
        assert writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        for end in (caller, writer):
            end.close()
            await end.wait_closed()
