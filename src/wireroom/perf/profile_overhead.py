"""Measures what probes and profiles cost: `python -m wireroom.perf.profile_overhead`.

It starts a service of its own on a free port, asks it the same thing again and again, and reads how much CPU
time the service used for each answer: with nothing else, and while each kind of profile is taken, in turns.
CPU time, since other work on the machine makes everything slower but hardly costlier.
"""

from __future__ import annotations

import asyncio
import os
import re
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from wireroom.perf.endpoints import Endpoints
from wireroom.perf.loop_lag import LoopWatch
from wireroom.perf.memory import resident_bytes
from wireroom.perf.tasks import count_descriptors, count_tasks
from wireroom.perf.timings import Timings

ROUNDS = 5
_WINDOW_SECONDS = 3.0
_CONNECTIONS = 8
_IDLE_SECONDS = 10.0
_SECRET = "for-this-measurement-alone"  # noqa: S105 - made up; the service listens on the loopback and ends
_TICKS = os.sysconf("SC_CLK_TCK")
_UP = "from wireroom.cli.main import main; main()"
_KINDS = ("nothing", "sql", "loop", "cpu", "cpu (py-spy)", "memory")
_PAUSES = re.compile(r'^wireroom_gc_pause_seconds_(sum|count)\{generation="(\d)"\} (\S+)$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs for the measurement."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Return the CPU time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    async def get(self, path: str) -> str:
        """Return the body of an answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(_request(path, "close"))
        answer = await reader.read()
        writer.close()
        return answer.partition(b"\r\n\r\n")[2].decode()


@asynccontextmanager
async def running_service(**environment: str) -> AsyncIterator[Service]:
    """Run a service in a process of its own, in a folder that is removed."""
    with tempfile.TemporaryDirectory(prefix="wireroom-overhead-") as folder:
        settings = {
            "PATH": os.environ.get("PATH", os.defpath),
            "WIREROOM_DATA_DIR": folder,
            "WIREROOM_BACKEND": "demo",
            "WEBHOOK_SECRET": _SECRET,
            "PORT": "0",
            "WIREROOM_IDENTITY_REQUESTS_PER_MINUTE": "0",
            "WIREROOM_ADDRESS_REQUESTS_PER_MINUTE": "0",
            "WIREROOM_RESPONSE_CACHE_SECONDS": "0",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _UP, "up", env=settings | environment, stdin=DEVNULL, stdout=PIPE
        )
        assert process.stdout is not None  # noqa: S101 - a pipe was asked for
        try:
            said = await asyncio.wait_for(process.stdout.readline(), 60)
            if not said:
                raise SystemExit("The service did not start; it has said why.")
            address = urlsplit(said.decode().split()[-1])
            yield Service(address.port or 0, process.pid)
        finally:
            process.terminate()
            await process.wait()


async def main() -> None:
    """Measure, and print tables in Markdown."""
    _print(("Always on", "Cost"), await always_on())
    async with running_service() as service:
        costs = await profiles(service)
    quiet = statistics.median(costs["nothing"])
    _print(
        ("While it is taken", "CPU time an answer, median of rounds", "More than with nothing"),
        [
            (kind, f"{statistics.median(found) * 1e6:.0f} µs", f"{statistics.median(found) / quiet - 1:+.0%}")
            for kind, found in costs.items()
        ],
    )
    _print(
        ("Garbage collector", "CPU time an answer", "Runs", "In all", "A full one, mean"), await collector()
    )


async def always_on() -> list[tuple[str, str]]:
    """Return what each probe that never ends costs."""
    endpoints, timings = Endpoints(), Timings()
    used = time.process_time()
    watching = asyncio.create_task(LoopWatch().run())
    await asyncio.sleep(_IDLE_SECONDS)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    share = (time.process_time() - used) / _IDLE_SECONDS
    loop = asyncio.get_running_loop()
    return [
        ("loop watch, the loop idle", f"{share:.2%} of a core"),
        ("one request counted", f"{_each(lambda: endpoints.note('GET /a', 0.001)) * 1e6:.2f} µs"),
        ("one duration counted", f"{_each(lambda: timings.add(0.001)) * 1e6:.2f} µs"),
        ("tasks counted (every 15 s)", f"{_each(lambda: count_tasks(loop), 200) * 1e6:.0f} µs"),
        ("descriptors counted (every 15 s, in a thread)", f"{_each(count_descriptors, 50) * 1e6:.0f} µs"),
        ("memory read (every 15 s)", f"{_each(resident_bytes, 2000) * 1e6:.0f} µs"),
    ]


async def profiles(service: Service) -> dict[str, list[float]]:
    """Return the CPU seconds of an answer, by kind of profile, one value a round."""
    await _window(service, "nothing")
    found: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    for _ in range(ROUNDS):
        for kind in _KINDS:
            found[kind].append(await _window(service, kind))
    return found


async def collector() -> Sequence[Sequence[str]]:
    """Return what an answer costs with the garbage collector as Python has it and as we set it, by turns."""
    async with (
        running_service(WIREROOM_GC_TUNING="false") as usual,
        running_service(WIREROOM_GC_TUNING="true") as tuned,
    ):
        services = {"as Python has it": usual, "as we set it": tuned}
        costs: dict[str, list[float]] = {name: [] for name in services}
        for service in services.values():
            await _window(service, "nothing")
        before = {name: await _pauses(service) for name, service in services.items()}
        for _ in range(2 * ROUNDS):
            for name, service in services.items():
                costs[name].append(await _window(service, "nothing"))
        after = {name: await _pauses(service) for name, service in services.items()}
    return [
        (name, f"{statistics.median(costs[name]) * 1e6:.0f} µs", *_in_words(before[name], after[name]))
        for name in services
    ]


Pauses = Mapping[str, Mapping[str, float]]
"""Sum of seconds and count of the collector's runs, by generation."""


async def _pauses(service: Service) -> Pauses:
    found: dict[str, dict[str, float]] = {}
    for what, generation, value in _PAUSES.findall(await service.get("/metrics")):
        found.setdefault(generation, {})[what] = float(value)
    return found


def _in_words(before: Pauses, after: Pauses) -> tuple[str, str, str]:
    """Return the collector's runs of the period, their time in all, and the mean of the oldest generation."""
    runs = {one: after[one]["count"] - before[one]["count"] for one in after}
    seconds = {one: after[one]["sum"] - before[one]["sum"] for one in after}
    oldest = f"{seconds['2'] / runs['2'] * 1000:.0f} ms" if runs["2"] else "none"
    return f"{sum(runs.values()):.0f}", f"{sum(seconds.values()) * 1000:.0f} ms", oldest


async def _window(service: Service, kind: str) -> float:
    """Return the CPU seconds of one answer within a window in which such a profile is taken."""
    profile = asyncio.create_task(_profile(service, kind))
    used, deadline = service.cpu_seconds(), time.monotonic() + _WINDOW_SECONDS
    answers = sum(await asyncio.gather(*(_ask(service, deadline) for _ in range(_CONNECTIONS))))
    cost = (service.cpu_seconds() - used) / max(1, answers)
    await profile
    return cost


async def _profile(service: Service, kind: str) -> None:
    if kind == "nothing":
        return
    name, _, by_py_spy = kind.partition(" ")
    within = "false" if by_py_spy else "true"
    await service.get(f"/admin/profile/{name}?seconds={_WINDOW_SECONDS:.0f}&within={within}")


async def _ask(service: Service, deadline: float) -> int:
    """Ask one after the other over one connection; return how many answers came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    count = 0
    while time.monotonic() < deadline:
        writer.write(_request("/api/runs?limit=20", "keep-alive"))
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        count += 1
    writer.close()
    return count


def _request(path: str, connection: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {_SECRET}\r\n"
        f"Connection: {connection}\r\n\r\n"
    ).encode()


def _each(work: Callable[[], object], times: int = 20_000) -> float:
    """Return the CPU seconds that one call takes, the best of three tries."""

    def once() -> float:
        began = time.process_time()
        for _ in range(times):
            work()
        return (time.process_time() - began) / times

    return min(once() for _ in range(3))


def _print(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [columns, ["---"] * len(columns), *rows]
    sys.stdout.write("".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
