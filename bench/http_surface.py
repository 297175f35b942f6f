"""The older runner's routes: acceptance with a long queue, the list of conversations, the first output."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from pydantic import SecretStr
from sqlalchemy import Connection, insert

from bench.harness import Measurement, benchmark
from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.store.database import Unit
from wireroom.store.schema import conversations, messages
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

_SECRET = "secret-of-the-benchmark"  # noqa: S105 - made up
_SLOTS = 5
_QUEUED = 1_000
_ACCEPTED = 300
_CONVERSATIONS = 500
_CONTENT = "x" * 8_000
_MESSAGES = 10
_LISTS = 100
_FIRST_SIGNS = 30
_WARM_UP = 5
_LIMIT_SECONDS = 60.0


@benchmark("acceptance")
async def acceptance() -> AsyncIterator[Measurement]:
    """Measure `POST /cursor/execute/async` with every slot busy and a thousand requests waiting."""
    async with _running(queue_limit=10 * _QUEUED, run_slots=_SLOTS) as (_, session, agent):
        for number in range(_SLOTS):
            await _accept(session, f"busy-{number}", agent.gate("never"))
        for number in range(_QUEUED):
            await _accept(session, f"waiting-{number}", "say x")
        samples = [await _accept(session, f"timed-{number}", "say x") for number in range(_ACCEPTED)]
        health = [await _get(session, "/health/queue") for _ in range(_LISTS)]
        agent.open_gate("never")
    yield Measurement("POST /cursor/execute/async, slots busy, 1,000 queued", samples, "ms")
    yield Measurement("GET /health/queue beside that", health, "ms", fsync="none")


@benchmark("conversations")
async def list_of_conversations() -> AsyncIterator[Measurement]:
    """Measure the list of 500 conversations of 80 kB, and one of them whole; no answer is kept."""
    async with _running(response_cache_seconds=0.0) as (service, session, _):
        await service.services.db.write(_long_conversations())
        lists = [await _get(session, "/api/list") for _ in range(_WARM_UP + _LISTS)][_WARM_UP:]
        whole = [await _get(session, f"/api/c{number}") for number in range(_LISTS)]
    yield Measurement("GET /api/list, 500 conversations of 80 kB", lists, "ms", fsync="none")
    yield Measurement("GET /api/:id, 80 kB", whole, "ms", fsync="none")


@benchmark("first-sign")
async def first_sign() -> AsyncIterator[Measurement]:
    """Measure from the request to its agent's first output at a subscriber, the agent's start included."""
    async with _running() as (_, session, _agent):
        samples = [await _first_output(session, number) for number in range(_WARM_UP + _FIRST_SIGNS)]
    yield Measurement("first output at a WebSocket", samples[_WARM_UP:], "ms")


@asynccontextmanager
async def _running(
    **settings: Any,
) -> AsyncIterator[tuple[Service, aiohttp.ClientSession, ScriptedAgent]]:
    """Run a service over the scripted agent, on this package's disk: the system's may be memory."""
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        agent = ScriptedAgent(Path(folder))
        known = Settings(
            data_dir=Path(folder), port=0, webhook_secret=SecretStr(_SECRET), drain_seconds=0, **settings
        )
        async with (
            Service(known, backend=ScriptedBackend(agent)) as service,
            aiohttp.ClientSession(service.address, headers={"X-Webhook-Secret": _SECRET}) as session,
        ):
            yield service, session, agent


async def _accept(session: aiohttp.ClientSession, request_id: str, prompt: str) -> float:
    """Return how long the acceptance of a request in a conversation of its own took, ms."""
    body = {"id": request_id, "prompt": prompt, "conversationId": request_id}
    started = time.perf_counter()
    async with session.post("/cursor/execute/async", json=body) as response:
        answer = await response.json()
    if response.status != 200:  # noqa: PLR2004 - HTTP
        raise AssertionError(f"not accepted: {answer}")
    return (time.perf_counter() - started) * 1000


async def _get(session: aiohttp.ClientSession, path: str) -> float:
    started = time.perf_counter()
    async with session.get(path) as response:
        await response.read()
    if response.status != 200:  # noqa: PLR2004 - HTTP
        raise AssertionError(f"{path} answers {response.status}")
    return (time.perf_counter() - started) * 1000


async def _first_output(session: aiohttp.ClientSession, number: int) -> float:
    name = f"first-{number}"
    async with asyncio.timeout(_LIMIT_SECONDS), session.ws_connect(f"/api/ws?id={name}") as live:
        await live.receive_json()
        started = time.perf_counter()
        await _accept(session, name, "say x")
        while (await live.receive_json())["type"] != "run.event":
            pass
        return (time.perf_counter() - started) * 1000


def _long_conversations() -> Unit[None]:
    ids = [f"c{number}" for number in range(_CONVERSATIONS)]
    heads = [
        {
            "id": name,
            "channel": "api",
            "lane": f"conversation:{name}",
            "is_current": 1,
            "title": "A long one",
            "workdir": "/",
            "message_count": _MESSAGES,
            "created_at": number,
            "active_at": number,
        }
        for number, name in enumerate(ids)
    ]
    said = [
        {"conversation_id": name, "seq": seq, "role": "user", "content": _CONTENT, "created_at": seq}
        for name in ids
        for seq in range(1, _MESSAGES + 1)
    ]

    def unit(conn: Connection) -> None:
        conn.execute(insert(conversations), heads)
        conn.execute(insert(messages), said)

    return unit
