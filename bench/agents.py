"""One-time agents: from the post to the target, one at a time, and a thousand of them at once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Measurement, benchmark
from bench.http_load import drive, post
from bench.service_process import SECRET, running_service

_IDLE = 300
_WARM_UP = 200
_AT_ONCE = 1_000
_REPETITIONS = 5
_CONNECTIONS = 16
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_OLD_AT_IDLE = "the older scheduler, not durable: 2.35 ms"
_OLD_AT_ONCE = "the older scheduler, which lost most of them: 860 /s"


@dataclass
class _Target:
    """Counts the requests that arrive and answers each at once."""

    arrived: list[float] = field(default_factory=list)
    bodies: set[bytes] = field(default_factory=set)
    url: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def all_of(self, wanted: int) -> None:
        """Wait until so many different requests have come."""
        async with asyncio.timeout(60):
            while len(self.bodies) < wanted:
                self.news.clear()
                await self.news.wait()


class _TargetConnection(asyncio.Protocol):
    """One keep-alive connection of the service to the target."""

    def __init__(self, target: _Target) -> None:
        self._target = target
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP connection always gives this kind

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n")) >= 0:
            length = int(self._buffer[:head_end].lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            end = head_end + 4 + length
            if len(self._buffer) < end:
                return
            self._target.arrived.append(time.perf_counter())
            self._target.bodies.add(self._buffer[head_end + 4 : end])
            self._target.news.set()
            self._buffer = self._buffer[end:]
            if self._transport is not None:
                self._transport.write(_ANSWER)


@benchmark("agents")
async def one_time_agents() -> AsyncIterator[Measurement]:
    """Measure one-time agents as the older scheduler's callers post them, all of one name.

    What is said of that scheduler was measured on the same kind of machine.
    """
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        async with (
            running_target() as target,
            running_service(Path(folder), WEBHOOK_SECRET=SECRET) as served,
        ):
            port = served.port
            await drive(port, iter(agent_posts(target, 0, _WARM_UP)), connections=4)
            await target.all_of(_WARM_UP)
            idle = [await _one(port, target, _WARM_UP + number) for number in range(_IDLE)]
            rates = [
                await _many(port, target, _WARM_UP + _IDLE + number * _AT_ONCE)
                for number in range(_REPETITIONS)
            ]
    yield Measurement("one-time agent, post to target, idle", idle, "ms", elsewhere=_OLD_AT_IDLE)
    what = f"{_AT_ONCE} one-time agents of one name, all received"
    yield Measurement(what, rates, "/s", elsewhere=_OLD_AT_ONCE)


async def _one(port: int, target: _Target, number: int) -> float:
    before, sent_at = len(target.arrived), time.perf_counter()
    await drive(port, iter(agent_posts(target, number, 1)), connections=1)
    await target.all_of(number + 1)
    await asyncio.sleep(0.005)
    return (target.arrived[before] - sent_at) * 1000


async def _many(port: int, target: _Target, first: int) -> float:
    started = time.perf_counter()
    result = await drive(port, iter(agent_posts(target, first, _AT_ONCE)), connections=_CONNECTIONS)
    await target.all_of(first + _AT_ONCE)
    if result.statuses != {200: _AT_ONCE}:
        raise AssertionError(f"not every agent was accepted: {result.statuses}")
    return _AT_ONCE / (target.arrived[-1] - started)


def agent_posts(target: _Target, first: int, count: int) -> list[bytes]:
    """Return requests for one-time agents of one name, each with a number of its own."""
    headers = {"X-Webhook-Secret": SECRET}
    return [
        post(
            "/agents",
            json.dumps(
                {"name": "bench", "targetUrl": target.url, "oneTime": True, "body": {"number": number}}
            ).encode(),
            headers,
        )
        for number in range(first, first + count)
    ]


@asynccontextmanager
async def running_target() -> AsyncIterator[_Target]:
    """Lend a program that answers each call at once, on loopback."""
    target = _Target()
    server = await asyncio.get_running_loop().create_server(lambda: _TargetConnection(target), "127.0.0.1", 0)
    async with server:
        target.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield target
