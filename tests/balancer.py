"""A TCP balancer on loopback: round robin over listeners that are ready, no session sticks to one of them.

It is what a Kubernetes Service or a proxy does in front of several web processes: new connections go to
members whose readiness page answers, and to the next one where a connection is refused. Established
connections are left to their ends. Lives in the event loop of whoever uses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Sequence

_PROBE_SECONDS = 0.5
_ANSWER_SECONDS = 2.0
_CONNECT_SECONDS = 1.0
_CHUNK_BYTES = 65_536
_PROBE = b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"

_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Balancer:
    """One address for several ports of this machine; its own is taken at once, and listens after `start`."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._silent: set[int] = set()
        self._turn = 0
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server: asyncio.Server | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to accept; once is enough, whatever becomes of the members."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, sock=self._socket, backlog=1024)
            self._begin(asyncio.create_task(self._watch(), name="balancer"))

    async def close(self) -> None:
        """Cut every connection and give the port back."""
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        for task in list(self._work):
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        self._server = None

    def _begin(self, task: asyncio.Task[None]) -> None:
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._begin(task)
        with contextlib.suppress(asyncio.CancelledError, OSError):
            async with _closing(writer):
                behind = await self._connected()
                if behind is not None:
                    async with _closing(behind[1]):
                        await _join((reader, writer), behind)

    async def _connected(self) -> _Stream | None:
        """Return a connection to the next member that takes one, None if none does."""
        for port in self._candidates():
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_CONNECT_SECONDS):
                    return await asyncio.open_connection("127.0.0.1", port)
        return None

    def _candidates(self) -> Iterator[int]:
        """Yield members in turn: the ready ones, then, rather than nobody, those that are silent."""
        self._turn += 1
        turned = [self._ports[(self._turn + at) % len(self._ports)] for at in range(len(self._ports))]
        yield from sorted(turned, key=lambda port: port in self._silent)

    async def _watch(self) -> None:
        while True:
            answers = await asyncio.gather(*(_is_ready(port) for port in self._ports))
            self._silent = {port for port, ready in zip(self._ports, answers, strict=True) if not ready}
            await asyncio.sleep(_PROBE_SECONDS)


async def _is_ready(port: int) -> bool:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with _closing(writer):
                writer.write(_PROBE)
                return b" 200 " in await reader.readline()
    return False


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _join(one: _Stream, other: _Stream) -> None:
    """Carry bytes both ways until both sides have ended, or one breaks off."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_carry(one[0], other[1]))
            group.create_task(_carry(other[0], one[1]))
    except* OSError:
        pass  # A side that breaks off ends the other; there is nobody to tell.


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
