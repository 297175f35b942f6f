"""How much more several workers bear than one: `python -m bench.scaling [SECONDS [PEOPLE]]`.

For 1, 2 and 4 workers beside one web process, on a PostgreSQL of its own each time, `wireroom load` raises
the number of people in ten steps. The curve is the load at the knee; what a worker is limited by is its five
agents at once, until the machine has no processor left. Everything runs on this machine, the people too.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.harness import machine
from wireroom.autoscale.fleet import Fleet
from wireroom.load.conduct import measure
from wireroom.load.findings import Report
from wireroom.load.knee import Step
from wireroom.load.own_service import settings_of
from wireroom.load.patterns import Extent, Pattern
from wireroom.load.scene import FIRST_PERSON, Wanted
from wireroom.testing.eventually import eventually
from wireroom.testing.ports import free_port
from wireroom.testing.postgres_server import running_postgres

_WORKERS = (1, 2, 4)
_SECONDS = 120.0
_PEOPLE = 400
_SLOTS = 5
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the curve."""

    workers: int
    knee: Step | None
    """The highest load that held; None when not even the first did."""
    reasons: Sequence[str]
    """Why the next did not."""
    processor: float
    """Of the whole machine, on average, in [0, 1]."""
    clean: bool
    """Nothing was lost or doubled."""


def main() -> None:
    """Measure, and print the curve."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else _SECONDS
    people = int(sys.argv[2]) if len(sys.argv) > 2 else _PEOPLE  # noqa: PLR2004 - the second argument
    extent = Extent(seconds, people)
    points = []
    with running_postgres() as server:
        for workers in _WORKERS:
            with server.database() as url:
                points.append(asyncio.run(_point(workers, url, extent)))
    for line in (*(f"{name}: {value}" for name, value in machine().items()), *table(points)):
        sys.stdout.write(line + "\n")
    if not all(point.clean for point in points):
        sys.exit("Something was lost or doubled.")


def table(points: Sequence[Point]) -> list[str]:
    """Return the curve as a table; the first point is what the others are compared with. Pure."""
    lines = [
        "| workers | people at the knee | requests/s | to one | p99 of answers | processor | broke next |",
        "| ---: " * 6 + "| --- |",
    ]
    first = points[0].knee
    for point in points:
        why = "; ".join(point.reasons) or "nothing that was tried"
        if point.knee is None:
            lines.append(f"| {point.workers} | none | | | | {point.processor:.0%} | {why} |")
            continue
        ratio = f"{point.knee.people / first.people:.2f}" if first else ""
        answer = f"{point.knee.answer_p99_ms or 0:,.0f} ms"
        lines.append(
            f"| {point.workers} | {point.knee.people} | {point.knee.per_second:.0f} | {ratio} | {answer}"
            f" | {point.processor:.0%} | {why} |"
        )
    return lines


async def _point(workers: int, database_url: str, extent: Extent) -> Point:
    port, webhook_secret, api_secret = free_port(), secrets.token_hex(16), secrets.token_hex(16)
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as name:
        folder = Path(name)
        environment = {
            **settings_of(
                os.environ,
                folder / "data",
                telegram_url=f"http://127.0.0.1:{port}",
                webhook_secret=webhook_secret,
                api_secret=api_secret,
                people=range(FIRST_PERSON, FIRST_PERSON + extent.people),
            ),
            "WIREROOM_DATABASE_URL": database_url,
            "WIREROOM_RUN_SLOTS": str(_SLOTS),
            # Four workers with their 15 each and a web have to fit PostgreSQL's usual hundred connections.
            "WIREROOM_POOL_SIZE": "3",
            "WIREROOM_POOL_OVERFLOW": "1",
            "WIREROOM_CALLBACK_HOSTS": "127.0.0.1",
        }
        async with Fleet(environment, folder) as fleet:
            await fleet.scale(workers)
            await eventually(lambda: fleet.ready == workers, f"{workers} workers listen", _PATIENCE_SECONDS)
            before = _processor_times()
            report = await measure(
                Wanted(
                    pattern=Pattern.STRESS,
                    extent=extent,
                    beside=folder,
                    url=fleet.web.url,
                    telegram_port=port,
                    webhook_secret=webhook_secret,
                    api_secret=api_secret,
                ),
                lambda line: sys.stderr.write(f"{workers} workers: {line}\n"),
            )
            busy, whole = (now - then for now, then in zip(_processor_times(), before, strict=True))
            return _point_of(workers, report, busy / whole)


def _point_of(workers: int, report: Report, processor: float) -> Point:
    found = report.knee or {}
    highest = found.get("highest")
    knee = Step(**highest) if highest else None
    return Point(workers, knee, found.get("reasons", ()), processor, report.clean)


def _processor_times() -> tuple[int, int]:
    """Return the busy and all time of the machine's processors since its start, in ticks."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = [int(word) for word in words]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


if __name__ == "__main__":
    main()
