"""Calls to others, on real connections: what is sent twice, which host is left alone, what is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from callback_receiver import running_receiver
from wireroom.app.outgoing import http_session, known_hosts
from wireroom.callbacks.client import CallbackClient
from wireroom.callbacks.guard import Guard
from wireroom.callbacks.lookups import Lookups
from wireroom.callbacks.reaction import Answered, Barred, Held, NoAnswer, Reply
from wireroom.callbacks.target import read_target
from wireroom.clock import SystemClock
from wireroom.outbound.hosts import HoldPolicy, Hosts
from wireroom.outbound.trips import Trip, counting
from wireroom.perf.metrics import OUTBOUND_CALLS, OUTBOUND_CONNECTIONS, OUTBOUND_HELD
from wireroom.settings import Settings

KEY = {"Idempotency-Key": "k"}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Fickle:
    """A server that answers so many requests of a connection, then closes it upon the next one."""

    def __init__(self, answers: int) -> None:
        self.port = 0
        self.requests = 0
        self.connections = 0
        self._answers = answers

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            for _ in range(self._answers):
                await self._take(reader)
                writer.write(OK)
            await self._take(reader)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
        self.requests += 1


@asynccontextmanager
async def fickle(answers: int) -> AsyncIterator[Fickle]:
    """Run such a server."""
    running = Fickle(answers)
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    async with server:
        yield running


Send = Callable[..., "asyncio.Future[Reply]"]


@asynccontextmanager
async def office(hosts: Hosts | None = None, timeout_seconds: float = 20.0) -> AsyncIterator[Send]:
    """Lend a function that sends a callback over the service's own session."""
    lookups = Lookups()
    settings = Settings(data_dir=Path("nowhere"))
    async with http_session(lookups, settings) as session:
        client = CallbackClient(
            session,
            Guard(allow_loopback=True),
            SystemClock(),
            lookups.addresses,
            timeout_seconds=timeout_seconds,
            hosts=hosts or known_hosts(settings),
        )

        def send(port: int, headers: dict[str, str] = KEY, host: str = "127.0.0.1") -> asyncio.Future[Reply]:
            target = read_target(f"http://{host}:{port}/")
            return asyncio.ensure_future(client.send(target, b"{}", lambda _trusted: headers))

        yield send
    await lookups.close()


def counted(purpose: str, result: str) -> float:
    """Return how many calls were counted."""
    return float(OUTBOUND_CALLS.labels(purpose, result)._value.get())


async def test_connection_that_was_just_closed_costs_no_try() -> None:
    """The request goes again, over a new connection, since its key lets the receiver know it."""
    async with fickle(answers=1) as server, office() as send:
        assert await send(server.port) == Answered(200)
        assert await send(server.port) == Answered(200)
        assert (server.requests, server.connections) == (3, 2)


async def test_request_that_nobody_could_know_again_is_not_repeated() -> None:
    """Without a key the receiver might do it twice: that is for whoever asked to decide."""
    async with fickle(answers=1) as server, office() as send:
        assert await send(server.port, {}) == Answered(200)
        assert isinstance(await send(server.port, {}), NoAnswer)
        assert server.requests == 2


async def test_new_connection_that_breaks_is_a_failed_try() -> None:
    """Only a connection that was kept may have been closed by chance."""
    async with fickle(answers=0) as server, office() as send:
        assert isinstance(await send(server.port), NoAnswer)
        assert server.requests == 1


async def test_host_where_nobody_answers_is_left_alone_and_tried_again() -> None:
    """After failures in a row nothing is sent; once its time is over one call finds out that it is back."""
    now = 0.0
    hosts = Hosts(HoldPolicy(failures=2, hold_seconds=15.0), lambda: now)
    async with office(hosts) as send:
        async with running_receiver() as receiver:
            port = receiver.port
        assert [type(await send(port)) for _ in range(3)] == [NoAnswer, NoAnswer, Held]
        async with running_receiver(port) as receiver:
            held = await send(port)
            assert (isinstance(held, Held), receiver.received) == (True, [])
            now = 15.0
            assert [await send(port), await send(port)] == [Answered(200), Answered(200)]


async def test_host_that_is_slow_is_not_held() -> None:
    """How long a receiver may take is its caller's matter: it is there."""
    hosts = Hosts(HoldPolicy(failures=1), lambda: 0.0)
    async with running_receiver() as receiver:
        receiver.gate.clear()
        async with office(hosts, timeout_seconds=0.05) as send:
            assert isinstance(await send(receiver.port), NoAnswer)
        receiver.gate.set()
        async with office(hosts) as send:
            assert await send(receiver.port) == Answered(200)


async def test_what_the_guard_bars_says_nothing_of_the_host() -> None:
    """Nothing was sent, so nothing has failed."""
    hosts = Hosts(HoldPolicy(failures=1), lambda: 0.0)
    async with office(hosts) as send:
        assert [type(await send(80, host="10.0.0.1")) for _ in range(3)] == [Barred] * 3
    assert hosts.held == 0


async def test_calls_and_connections_are_counted() -> None:
    """By purpose and result, with whether a connection was at hand."""
    before = counted("callback", "2xx"), counted("callback", "failed")
    reused = float(OUTBOUND_CONNECTIONS.labels("reused")._value.get())
    async with fickle(answers=2) as server, office() as send:
        for _ in range(2):
            await send(server.port)
    async with fickle(answers=0) as server, office() as send:
        await send(server.port)
    assert counted("callback", "2xx") - before[0] == 2
    assert counted("callback", "failed") - before[1] == 1
    assert float(OUTBOUND_CONNECTIONS.labels("reused")._value.get()) - reused == 1


@pytest.mark.parametrize("purpose", [None, "runner"])
async def test_call_without_a_purpose_is_telegrams(purpose: str | None) -> None:
    """The Bot API's client need not know of the figures."""
    before = counted(purpose or "telegram", "2xx")
    async with (
        fickle(answers=1) as server,
        aiohttp.ClientSession(trace_configs=[counting()]) as session,
        session.post(
            f"http://127.0.0.1:{server.port}/", data=b"{}", trace_request_ctx=purpose and Trip(purpose)
        ) as response,
    ):
        assert response.status == 200
    assert counted(purpose or "telegram", "2xx") - before == 1


async def test_held_hosts_are_shown() -> None:
    """The figure on /metrics is of now, not of the last change."""
    settings = Settings(data_dir=Path("nowhere"), host_failures=1)
    hosts = known_hosts(settings)
    hosts.failed("http://a:80")
    [sample] = next(iter(OUTBOUND_HELD.collect())).samples
    assert sample.value == 1.0
