"""A loopback server that speaks HTTP as badly as a test wants, and a client pointed at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import msgspec
import pytest

from wireroom.telegram.client import TelegramClient, Timeouts

TOKEN = "42:very-secret_half"
MESSAGE = {"message_id": 7, "date": 1, "chat": {"id": 5, "type": "private"}, "text": "hi", "unknown": []}


@dataclass
class Request:
    """One request as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class RawServer:
    """Reads whole requests and then does whatever `behaviour` says, down to the bytes."""

    behaviour: Behaviour
    requests: list[Request] = field(default_factory=list)
    address: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection until either side closes it."""
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode():
                first, *lines = head.strip().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append(Request(first.split()[1], headers, body))
                await self.behaviour(self.requests[-1], writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def reply(body: bytes, status: str = "200 OK", extra: str = "") -> Behaviour:
    """Answer with these bytes."""

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        writer.write(head.encode() + body)
        await writer.drain()

    return behave


def ok(result: object) -> Behaviour:
    """Answer as the Bot API does when all is well."""
    return reply(msgspec.json.encode({"ok": True, "result": result}))


def refused(status: int, description: str, **parameters: int) -> Behaviour:
    """Answer as the Bot API does when it says no."""
    body = {"ok": False, "error_code": status, "description": description, "parameters": parameters}
    return reply(msgspec.json.encode(body), f"{status} No")


def raw(answer: bytes) -> Behaviour:
    """Write these bytes and close the connection."""

    async def behave(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    return behave


async def hang(_: Request, writer: asyncio.StreamWriter) -> None:
    """Answer nothing until the client goes away."""
    await writer.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    """A server on loopback; tests set its behaviour."""
    raw_server = RawServer(ok(MESSAGE))
    listener = await asyncio.start_server(raw_server.serve, "127.0.0.1", 0)
    raw_server.address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    yield raw_server
    listener.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """The one HTTP session."""
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
def client(server: RawServer, session: aiohttp.ClientSession) -> TelegramClient:
    """A client with short times, pointed at the server."""
    times = Timeouts(
        connect_seconds=0.3, call_seconds=0.3, long_poll_margin_seconds=0.3, download_seconds=0.5
    )
    return TelegramClient(TOKEN, session, base_url=server.address, timeouts=times)
