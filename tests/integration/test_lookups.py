"""Looking names up keeps nobody else from a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from ipaddress import ip_address

import aiohttp
import pytest
from aiohttp import web

from wireroom.callbacks.lookups import Lookups


@pytest.fixture
def dead() -> Iterator[threading.Event]:
    """Lend what holds the look-ups of dead names until the test is over."""
    over = threading.Event()
    yield over
    over.set()


async def test_dead_names_hold_up_no_other_thread(dead: threading.Event) -> None:
    """With every look-up waiting for a dead server, the event loop's own threads are free."""

    def never(*_: object, **__: object) -> list[tuple[object, ...]]:
        dead.wait(30)
        return []

    lookups = Lookups(never)
    waiting = [asyncio.create_task(lookups.addresses(f"dead-{n}.test", 443)) for n in range(64)]
    try:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
            assert await asyncio.to_thread(lambda: "free") == "free"
        assert not any(task.done() for task in waiting)
    finally:
        dead.set()
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await lookups.close()


async def test_lookup_gives_each_address_once_or_says_that_there_is_none() -> None:
    """The guard gets addresses in the resolver's order, or the resolver's error."""

    def answer(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        if host != "two.test":
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        found = [("192.0.2.2", port), ("192.0.2.1", port), ("192.0.2.2", port)]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in found]

    lookups = Lookups(answer)
    try:
        found = await lookups.addresses("two.test", 443)
        assert found == (ip_address("192.0.2.2"), ip_address("192.0.2.1"))
        with pytest.raises(socket.gaierror):
            await lookups.addresses("none.test", 443)
    finally:
        await lookups.close()


async def test_http_client_looks_names_up_by_it() -> None:
    """Aiohttp's connector takes its addresses from here."""
    app = web.Application()

    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=request.host.partition(":")[0])

    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]

    def answer(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    lookups = Lookups(answer)
    try:
        connector = aiohttp.TCPConnector(resolver=lookups)
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://made-up.test:{port}/") as response,
        ):
            assert await response.text() == "made-up.test"
    finally:
        await lookups.close()
        await runner.cleanup()
