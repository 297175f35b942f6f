"""A small HTTP/1.1 load generator: keeps `connections` requests in flight and notes each one's latency.

Written on asyncio protocols because the usual clients cost more than the server they measure; it understands
just the answers it needs (a status line, headers with Content-Length, a body).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class LoadResult:
    """What came back."""

    latencies_ms: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers a second over the whole run."""
        return len(self.latencies_ms) / self.seconds


class _Connection(asyncio.Protocol):
    """One keep-alive connection that sends the next request when the answer is whole."""

    def __init__(self, requests: Iterator[bytes], result: LoadResult, done: Callable[[], None]) -> None:
        self._requests = requests
        self._result = result
        self._done = done
        self._buffer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP connection always gives this kind
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        start = head.find(b"content-length:")
        length = int(head[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        status = int(self._buffer[9:12])
        self._result.latencies_ms.append((time.perf_counter() - self._sent_at) * 1000)
        self._result.statuses[status] = self._result.statuses.get(status, 0) + 1
        self._buffer = self._buffer[head_end + 4 + length :]
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._done()

    def _send(self) -> None:
        if self._transport is None:
            return
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)


async def drive(port: int, requests: Iterator[bytes], *, connections: int) -> LoadResult:
    """Send every request over so many connections, each waiting for its answer; return the latencies."""
    result = LoadResult()
    loop = asyncio.get_running_loop()
    over = asyncio.Event()
    open_connections = connections

    def done() -> None:
        nonlocal open_connections
        open_connections -= 1
        if open_connections == 0:
            over.set()

    started = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Connection(requests, result, done), "127.0.0.1", port)
    await over.wait()
    result.seconds = time.perf_counter() - started
    return result


def post(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Return a whole POST request with a JSON body."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def get(path: str, headers: dict[str, str] | None = None) -> bytes:
    """Return a whole GET request."""
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode()
