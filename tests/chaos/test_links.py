"""The network of chaos, with a server that says everything back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from chaos.links import Link, Way

pytestmark = pytest.mark.timeout(20)
_SOON_SECONDS = 0.1


@dataclass
class _Echo:
    """A server that says back what it hears, and remembers it."""

    link: Link
    heard: list[bytes] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)

    async def way(self) -> Way:
        """Return a connection through the link."""
        self.ways.append(await asyncio.open_connection("127.0.0.1", self.link.port))
        return self.ways[-1]

    async def says(self, way: Way, text: bytes) -> bytes:
        """Send the text and return what comes back; empty when the connection ends."""
        way[1].write(text)
        async with asyncio.timeout(5):
            return await way[0].read(100)


@pytest.fixture
async def echo() -> AsyncIterator[_Echo]:
    """Lend a link to an echo."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(100):
                lent.heard.append(data)
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Link(lambda: asyncio.open_connection("127.0.0.1", port)) as link:
        lent = _Echo(link)
        yield lent
        for _, writer in lent.ways:
            writer.transport.abort()
    server.close()
    await server.wait_closed()


async def test_link_passes_both_ways(echo: _Echo) -> None:
    """A well network is not there."""
    assert await echo.says(await echo.way(), b"hello") == b"hello"


async def test_held_link_says_nothing_and_forgets_its_connections(echo: _Echo) -> None:
    """Nothing arrives and nothing ends; once it is mended old connections are broken and new ones work."""
    way = await echo.way()
    assert await echo.says(way, b"one") == b"one"
    echo.link.hold()
    way[1].write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(way[0].read(100), _SOON_SECONDS)
    echo.link.mend()
    with pytest.raises(ConnectionResetError):
        await way[0].read(100)
    assert echo.heard == [b"one"]
    assert await echo.says(await echo.way(), b"three") == b"three"


async def test_cut_link_breaks_old_and_new_connections(echo: _Echo) -> None:
    """Each connection is reset, until the link is mended."""
    way = await echo.way()
    assert await echo.says(way, b"one") == b"one"
    echo.link.cut()
    with pytest.raises(ConnectionResetError):
        await way[0].read(100)
    with pytest.raises(ConnectionResetError):
        await echo.says(await echo.way(), b"two")
    echo.link.mend()
    assert await echo.says(await echo.way(), b"three") == b"three"


async def test_lost_answer_was_heard(echo: _Echo) -> None:
    """The server did what it was asked, and the connection breaks instead of an answer."""
    way = await echo.way()
    echo.link.lose_answers(lambda: True)
    with pytest.raises(ConnectionResetError):
        await echo.says(way, b"do it")
    assert echo.heard == [b"do it"]


async def test_slow_link_is_late(echo: _Echo) -> None:
    """What is sent arrives after the delay, each way."""
    way = await echo.way()
    echo.link.slow(_SOON_SECONDS)
    loop = asyncio.get_running_loop()
    sent = loop.time()
    assert await echo.says(way, b"hello") == b"hello"
    assert loop.time() - sent >= 2 * _SOON_SECONDS
