"""A receiver of callbacks on loopback that answers as it is told and keeps what came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What came, and what is answered next."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: deque[web.Response] = field(default_factory=deque)
    """Given in order; when they are used up the answer is 200."""
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    """Answers wait for it; it is open from the start."""

    @property
    def url(self) -> str:
        """Return the address that takes callbacks."""
        return f"http://127.0.0.1:{self.port}/cb"

    async def take(self, request: web.Request) -> web.Response:
        """Keep the request and answer as told."""
        self.received.append(Received(request.path_qs, dict(request.headers), await request.read()))
        await self.gate.wait()
        return self.answers.popleft() if self.answers else web.json_response({"received": True})


@asynccontextmanager
async def running_receiver(port: int = 0) -> AsyncIterator[Receiver]:
    """Run a receiver on a port of the loopback."""
    receiver = Receiver()
    receiver.gate.set()
    app = web.Application(client_max_size=50 * 1024 * 1024)
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        receiver.port = int(runner.addresses[0][1])
        yield receiver
    finally:
        receiver.gate.set()
        await runner.cleanup()
