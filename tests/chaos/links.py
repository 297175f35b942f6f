"""A network of our own on loopback: links between a process and a store that are held, cut and slowed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Way]]

_PIECE_BYTES = 65_536
_HANG_UP = struct.pack("ii", 1, 0)


class Link:
    """Passes connections on to a server, for as long as the network is well.

    async with Link(lambda: asyncio.open_unix_connection(path)) as link:
        connect_to("127.0.0.1", link.port)
    """

    def __init__(self, connect: Connect) -> None:
        """Prepare; `connect` opens a way to the server."""
        self._connect = connect
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False
        self._delay_seconds = 0.0
        self._loses: Callable[[], bool] = _never
        self._ways: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        """Listen on a free port of the loopback."""
        self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break every connection and stop listening."""
        assert self._server is not None
        self._server.close()
        self._hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()
        # An aborted transport closes its socket at the loop's next turn.
        await asyncio.sleep(0)

    @property
    def is_passing(self) -> bool:
        """Whether data go through."""
        return self._passes.is_set()

    def hold(self) -> None:
        """Let nothing pass, and say nothing about it."""
        self._passes.clear()

    def cut(self) -> None:
        """Break every connection, and every new one."""
        self._refuses = True
        self._hang_up()

    def slow(self, delay_seconds: float) -> None:
        """Have every piece of data arrive so much later."""
        self._delay_seconds = delay_seconds

    def lose_answers(self, loses: Callable[[], bool]) -> None:
        """Break connections once the server has done what it was asked, before its answer arrives.

        Args:
            loses: Asked for each piece that is sent to the server: whether its answer is lost.
        """
        self._loses = loses

    def mend(self, *, old_connections_live: bool = False) -> None:
        """Be well again; what was held is broken, as by a router that forgot it, or else goes on."""
        if not self._passes.is_set() and not old_connections_live:
            self._hang_up()
        self._refuses = False
        self._delay_seconds = 0.0
        self._loses = _never
        self._passes.set()

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="link")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._ways.add(writer)
        try:
            await self._passes.wait()
            if self._refuses or writer.transport.is_closing():
                return
            with contextlib.suppress(OSError):
                await self._join(reader, writer, *await self._connect())
        finally:
            self._ways.discard(writer)
            _break(writer)

    async def _join(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
    ) -> None:
        self._ways.add(far_writer)
        lost = asyncio.Event()
        there = asyncio.create_task(self._ask(reader, far_writer, lost), name="link:there")
        back = asyncio.create_task(self._answer(far_reader, writer, lost), name="link:back")
        try:
            await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._ways.discard(far_writer)
            _break(far_writer)
            for task in (there, back):
                task.cancel()
            await asyncio.gather(there, back, return_exceptions=True)

    async def _ask(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await reader.read(_PIECE_BYTES):
            if self._loses():
                lost.set()
            await self._pass(data, writer)
        # The end of a connection is no news either, while nothing passes.
        await self._passes.wait()

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        while data := await reader.read(_PIECE_BYTES):
            if lost.is_set():
                return
            await self._pass(data, writer)
        await self._passes.wait()

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._delay_seconds:
            await asyncio.sleep(self._delay_seconds)
        await self._passes.wait()
        writer.write(data)
        await writer.drain()

    def _hang_up(self) -> None:
        for writer in list(self._ways):
            _break(writer)


def _never() -> bool:
    return False


def through(link: Link, url: str) -> str:
    """Return the address of a database as it is seen through a link to it."""
    name = urlsplit(url).path
    return f"postgresql://postgres@127.0.0.1:{link.port}{name}?sslmode=disable&gssencmode=disable"


def _break(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset, as a peer that knows nothing of it would."""
    found: socket.socket | None = writer.get_extra_info("socket")
    if found is not None and not writer.transport.is_closing() and found.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP)
    writer.transport.abort()
