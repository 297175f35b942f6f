"""Intake over HTTP, the product in a process of its own: acknowledged durably, and dispatched to a runner."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import Measurement, benchmark, scaled
from bench.http_load import LoadResult, drive, get, post
from bench.service_process import SECRET, Served, bare_service, running_service

_PATH = "/telegram/webhook"
_WARM_UP = scaled(2_000)
_UPDATES = scaled(5_000)
_TURNS = 9
_DISPATCHED = scaled(6_000)
_HEALTH = scaled(5_000)
_REPETITIONS = 3
_CHATS = 1_000
_TELEGRAM_AGREES = (
    b'{"ok":true,"result":{"id":123456,"is_bot":true,"first_name":"b","username":"b","message_id":1,'
    b'"date":1,"chat":{"id":1,"type":"private"}}}'
)
_TEXT = "Please look at the failing test and mend it, then tell me what was wrong. " * 6


@dataclass(frozen=True, slots=True)
class _Turn:
    """One load on the product, and the same on the barest durable webhook right after."""

    product: LoadResult
    bare: LoadResult
    product_cpu_ms: float
    """CPU of the product's process for one update, handling included."""
    bare_cpu_ms: float


@benchmark("webhook")
async def webhook() -> AsyncIterator[Measurement]:
    """Measure the durable acknowledgement at 32 connections, by turns with the barest durable webhook.

    While it acknowledges, the service also handles what it has stored; the bare one has nothing else to do.
    """
    with _data_folder() as folder:
        async with (
            running_outside() as outside,
            running_service(Path(folder), **bot_settings(outside)) as product,
            bare_service(Path(folder)) as bare,
        ):
            await drive(product.port, updates(1, _WARM_UP), connections=32)
            await drive(bare.port, updates(1, _WARM_UP), connections=32)
            await _let_it_settle(product.port)
            turns = [await _turn(product, bare, number) for number in range(1, _TURNS + 1)]
            health = await drive(product.port, iter([get("/health")] * _HEALTH), connections=32)
    about = "the barest durable webhook"
    yield _compared(
        "acknowledged durably, 32 connections",
        [turn.product.per_second for turn in turns],
        "/s",
        about,
        [turn.bare.per_second for turn in turns],
    )
    yield _compared(
        "CPU of one acknowledged update",
        [turn.product_cpu_ms for turn in turns],
        "ms",
        about,
        [turn.bare_cpu_ms for turn in turns],
    )
    latencies = [latency for turn in turns for latency in turn.product.latencies_ms]
    bare_latencies = [latency for turn in turns for latency in turn.bare.latencies_ms]
    yield Measurement("latency of that", latencies, "ms", about, statistics.median(bare_latencies))
    yield Measurement("GET /health, 32 connections", health.latencies_ms, "ms", fsync="none")


async def _turn(product: Served, bare: Served, number: int) -> _Turn:
    requests = list(updates(100_000 * number, _UPDATES))
    before = product.cpu_seconds()
    result = _checked(await drive(product.port, iter(requests), connections=32))
    await _let_it_settle(product.port)
    product_seconds = product.cpu_seconds() - before
    before = bare.cpu_seconds()
    bare_result = _checked(await drive(bare.port, iter(requests), connections=32))
    bare_seconds = bare.cpu_seconds() - before
    return _Turn(result, bare_result, product_seconds / _UPDATES * 1000, bare_seconds / _UPDATES * 1000)


def _compared(
    what: str, samples: Sequence[float], unit: str, reference: str, beside: Sequence[float]
) -> Measurement:
    """Return the measurement whose samples were taken by turns with those of the reference."""
    ratios = [one / other for one, other in zip(samples, beside, strict=True)]
    return Measurement(what, samples, unit, reference, statistics.median(beside), ratios)


@benchmark("dispatch")
async def dispatch() -> AsyncIterator[Measurement]:
    """Measure updates accepted durably and handed to an HTTP runner, 16 connections, until the last arrived.

    Every update of a person who may talk becomes a run, a placeholder delivery and their jobs; the run's job
    begins an attempt and posts the request. The runner answers at once, so its time is not in the figure.
    """
    people = ",".join(str(1000 + number) for number in range(_CHATS))
    rates: list[float] = []
    beside: list[float] = []
    latencies: list[float] = []
    for _ in range(_REPETITIONS):
        with _data_folder() as folder:
            async with (
                running_outside() as outside,
                bare_service(Path(folder)) as bare,
                running_service(
                    Path(folder),
                    **bot_settings(outside),
                    BENCH_RUNNER_URL=outside.url + "/cursor/execute/async",
                    WIREROOM_ALLOWED_USERS=people,
                    WIREROOM_RUN_SLOTS="32",
                ) as product,
            ):
                requests = list(updates(1, _DISPATCHED))
                beside.append(_checked(await drive(bare.port, iter(requests), connections=16)).per_second)
                started = time.perf_counter()
                result = _checked(await drive(product.port, iter(requests), connections=16))
                await outside.received(_DISPATCHED)
                rates.append(_DISPATCHED / (time.perf_counter() - started))
                latencies += result.latencies_ms
    yield _compared(
        "accepted durably and dispatched, 16 connections",
        rates,
        "/s",
        "the barest durable webhook, 16 connections",
        beside,
    )
    yield Measurement("acknowledgement during that", latencies, "ms")


def bot_settings(outside: _Outside) -> dict[str, str]:
    """Return the settings of a bot that gets its updates by webhook."""
    return {
        "TELEGRAM_BOT_TOKEN": "123456:bench-token",
        "TELEGRAM_API_URL": outside.url,
        "TELEGRAM_WEBHOOK_BASE_URL": "http://127.0.0.1:1",
    }


def updates(first: int, count: int) -> Iterator[bytes]:
    """Yield webhook requests of about 700 bytes with consecutive ids, spread over many chats."""
    for number in range(first, first + count):
        person = {"id": 1000 + number % _CHATS, "is_bot": False, "first_name": "Ann", "username": "ann"}
        message = {
            "message_id": number,
            "date": 1_700_000_000,
            "chat": {"id": person["id"], "type": "private", "first_name": "Ann"},
            "from": person,
            "text": _TEXT,
        }
        body = json.dumps({"update_id": number, "message": message}).encode()
        yield post(_PATH, body, {"X-Telegram-Bot-Api-Secret-Token": SECRET})


class _Outside:
    """The world around the service: Telegram that agrees to everything, and a runner that accepts at once."""

    def __init__(self) -> None:
        self.url = ""
        """Where both listen."""
        self._ids: set[str] = set()
        self._news = asyncio.Event()

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Return Telegram's reply to any method, or count a request of the runner."""
        if head.startswith(b"POST /bot"):
            return _TELEGRAM_AGREES
        self._ids.add(json.loads(body)["id"])
        self._news.set()
        return b'{"success":true}'

    async def received(self, wanted: int) -> None:
        """Wait until so many different requests have come."""
        async with asyncio.timeout(120):
            while len(self._ids) < wanted:
                self._news.clear()
                await self._news.wait()


class _OutsideConnection(asyncio.Protocol):
    """One keep-alive connection of the service to the outside."""

    def __init__(self, outside: _Outside) -> None:
        self._outside = outside
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP connection always gives this kind

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (head_end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:head_end].lower()
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            end = head_end + 4 + length
            if len(self._buffer) < end:
                return
            answer = self._outside.answer(self._buffer[:head_end], self._buffer[head_end + 4 : end])
            self._buffer = self._buffer[end:]
            if self._transport is not None:
                self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)


@asynccontextmanager
async def running_outside() -> AsyncIterator[_Outside]:
    """Run the world around the service on loopback."""
    outside = _Outside()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _OutsideConnection(outside), "127.0.0.1", 0)
    async with server:
        outside.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield outside


def _data_folder() -> TemporaryDirectory[str]:
    """Return a folder on this package's disk: the system's temporary one is often memory."""
    return TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-")


def _checked(result: LoadResult) -> LoadResult:
    if set(result.statuses) != {200}:
        raise AssertionError(f"not every update was acknowledged: {result.statuses}")
    return result


async def _let_it_settle(port: int) -> None:
    """Wait until the backlog of the load before is handled, so that each repetition starts alike."""
    async with asyncio.timeout(120):
        while await _backlog(port) > 0:  # noqa: ASYNC110 - the backlog is in another process
            await asyncio.sleep(0.25)


async def _backlog(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    lines = [line for line in text.splitlines() if line.startswith('wireroom_jobs_depth{queue="intake"')]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'state="dead"' not in line))
