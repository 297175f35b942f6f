"""What one piece of work costs, and what many need: `python -m bench.capacity`, half an hour on two cores.

    python -m bench.capacity --count 60 --agents 2000 --load-seconds 20    # a look, some five minutes

Prints the tables of docs/performance/capacity.md, and writes the figures as JSON with `--json FILE`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from bench.capacity_model import Cost, Costs, Demand, Plan, Rules, plan
from bench.capacity_series import (
    ANSWERED,
    CALLED,
    READ,
    REFUSED,
    REST_SECONDS,
    Spent,
    Used,
    all_series,
    measured,
    scheduled,
)
from bench.capacity_store import PostgresView, SqliteView, StoreView
from bench.harness import machine
from wireroom.testing.postgres_server import running_postgres

_json_file = typer.Option(None, "--json", help="Where the figures are written, too.")
_LOOKS = 50
_OVERDUE = "SELECT id, revision FROM agents WHERE paused = 0 AND next_at < 0 ORDER BY next_at LIMIT 1000"
_WANTED = {
    "100,000 a day, 5 slots": (Demand(100_000, 1_000), Rules()),
    "1 million a day, 20 slots": (Demand(1_000_000, 10_000), Rules(run_slots=20)),
    "10 million a day, 50 slots": (Demand(10_000_000, 100_000), Rules(run_slots=50)),
}
"""The larger it is, the larger the machines on which agents work."""


@dataclass(frozen=True, slots=True)
class Resting:
    """What scheduled agents cost while their time has not come."""

    agents: int
    bytes_each: float
    rss_mib_without: float
    rss_mib: float
    second: Used
    """What a second of rest uses."""
    connections: int
    """To PostgreSQL, of one process that does everything; 0 on SQLite."""
    watch_ms: float
    """The statement that looks for those whose time has come, with its connection; the median."""


def main(
    count: int = typer.Option(600, min=20, help="Messages of a series."),
    agents: int = typer.Option(100_000, min=10, help="Scheduled agents at rest."),
    load_seconds: int = typer.Option(60, min=10, help="Length of the load that the model is checked by."),
    json_file: Path | None = _json_file,
) -> None:
    """Measure on SQLite and PostgreSQL, model, and check the model by a load."""
    found: dict[str, Any] = {
        "machine": machine() | {"load at the begin": Path("/proc/loadavg").read_text().strip()}
    }
    costs: dict[str, dict[str, Spent]] = {}
    for name in ("SQLite", "PostgreSQL"):
        series, resting = asyncio.run(_measure(name, count, agents))
        costs[name] = {one.what: one for one in series}
        found[name] = {"series": [asdict(one) for one in series], "resting": asdict(resting)}
        _print_lines(_series_table(name, series))
        _print_lines(_resting_table(name, resting))
    model = costs_of(costs["PostgreSQL"], resting)
    plans = {name: plan(model, demand, rules) for name, (demand, rules) in _WANTED.items()}
    _print_lines(_plan_table(plans))
    found["plans"] = {name: asdict(one) for name, one in plans.items()}
    found["check"] = check_by_load(costs["SQLite"], load_seconds)
    _print_lines([f"| {what} | {value} |" for what, value in {**found["check"], **found["machine"]}.items()])
    if json_file:
        json_file.write_text(json.dumps(found, indent=1))


async def _measure(name: str, count: int, agents: int) -> tuple[list[Spent], Resting]:
    async with _store(name) as (store, folder):
        series = [one async for one in all_series(store, folder, count)]
        return series, await _rest(store, folder, agents)


async def _rest(store: StoreView, folder: Path, agents: int) -> Resting:
    """Add agents whose time is a day away, and look at a service that starts with them."""
    async with measured(store, folder, {}) as service:
        without = service.rss_mib()
        added = await scheduled(service, agents)
    async with measured(store, folder, {}) as service:
        service.resting = agents
        rest = await service.rest(REST_SECONDS)
        rss, connections = service.rss_mib(), store.connections()
    watch = [_timed(store) for _ in range(_LOOKS)]
    each = added.table_bytes + added.index_bytes
    return Resting(agents, each, without, rss, rest, connections, statistics.median(watch))


def _timed(store: StoreView) -> float:
    began = time.perf_counter()
    store.rows(_OVERDUE)
    return (time.perf_counter() - began) * 1000


@asynccontextmanager
async def _store(name: str) -> AsyncIterator[tuple[StoreView, Path]]:
    """Lend an empty database and a data folder, on the disk of this package: the system's may be memory."""
    with (
        TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as data,
        _view(name, Path(data)) as view,
    ):
        yield view, Path(data)


@contextmanager
def _view(name: str, folder: Path) -> Iterator[StoreView]:
    if name == "SQLite":
        yield SqliteView(folder / "wireroom.sqlite3")
        return
    with running_postgres() as server, server.database() as url:
        yield PostgresView(url)


def costs_of(series: Mapping[str, Spent], resting: Resting) -> Costs:
    """Return the model's costs of what was measured on PostgreSQL. Pure."""
    second = resting.second
    return Costs(
        accept=_cost(series[REFUSED]),
        message=_cost(series[ANSWERED]),
        call=_cost(series[CALLED]),
        agent_bytes=resting.bytes_each,
        rest=Cost(second.process_ms, second.database_ms, second.commits, second.log_bytes, stored_bytes=0),
    )


def _cost(one: Spent) -> Cost:
    stored = one.table_bytes + one.index_bytes
    return Cost(one.process_ms, one.database_ms, one.commits, one.log_bytes, stored)


def check_by_load(series: Mapping[str, Spent], seconds: int) -> dict[str, str]:
    """Run `wireroom load` and return what the costs predict of it beside what was measured."""
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        page = Path(folder) / "load.html"
        command = ["load", "--seconds", str(seconds), "--users", "40", "--pace", "2", "--report", str(page)]
        program = Path(sys.executable).with_name("wireroom")
        subprocess.run([program, *command], check=True, stdout=subprocess.DEVNULL)
        report = json.loads(page.with_suffix(".json").read_text())
    return compared(series, report)


def compared(series: Mapping[str, Spent], report: Mapping[str, Any]) -> dict[str, str]:
    """Return prediction and measurement of the load's report. Pure.

    predicted = messages * message + other runs * (message - accept) + other requests * a list's reading
    """
    growth: Mapping[str, float] = report["growth"]
    readings: Sequence[Mapping[str, float]] = report["readings"]
    messages: float = sum(one["count"] for one in report["requests"] if "telegram/webhook" in one["name"])
    runs = sum(value for name, value in growth.items() if name.startswith("wireroom_runs_total"))
    requests = sum(value for name, value in growth.items() if name.startswith("wireroom_http_seconds_count"))
    others, reads = runs - messages, requests - messages
    message, accept, read = series[ANSWERED], series[REFUSED], series[READ]

    def predict(figure: str) -> float:
        whole, part, one_read = (float(getattr(one, figure)) for one in (message, accept, read))
        return messages * whole + others * (whole - part) + reads * one_read

    cpu: float = sum(
        later["cpu_percent"] / 100 * (later["second"] - earlier["second"])
        for earlier, later in pairwise(readings)
        if later.get("cpu_percent") is not None
    )
    statements = growth["wireroom_store_statements_sent_total"]
    return {
        "load": f"{messages:.0f} messages, {others:.0f} other runs, {reads:.0f} other requests",
        "CPU of the service, s": _beside(predict("process_ms") / 1000, cpu),
        "statements": _beside(predict("statements"), statements),
    }


def _beside(predicted: float, found: float) -> str:
    return f"predicted {predicted:,.3g}, measured {found:,.3g}: {(predicted / found - 1):+.0%}"


def _series_table(name: str, series: Sequence[Spent]) -> Iterator[str]:
    yield f"\n| {name} | n | process ms | database ms | statements | commits | log kB | kB | of indexes |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in series:
        stored = one.table_bytes + one.index_bytes
        share = one.index_bytes / stored if stored > 0 else 0.0
        yield (
            f"| {one.what} | {one.count:,} | {one.process_ms:.2f} | {one.database_ms:.2f} |"
            f" {one.statements:.1f} | {one.commits:.2f} | {one.log_bytes / 1000:.1f} | {stored / 1000:.2f} |"
            f" {share:.0%} |"
        )
    yield f"\n| {name}: bytes for each message, by table | table | indexes |\n|---|---|---|"
    message = next(one for one in series if one.what == ANSWERED)
    for table, (own, indexes) in sorted(message.tables.items(), key=lambda item: -sum(item[1])):
        yield f"| `{table}` | {own:,.0f} | {indexes:,.0f} |"


def _resting_table(name: str, resting: Resting) -> Iterator[str]:
    yield f"\n| {name}: {resting.agents:,} scheduled agents at rest | |\n|---|---|"
    yield f"| stored, each | {resting.bytes_each:,.0f} bytes |"
    yield f"| memory of the process, without them | {resting.rss_mib_without:.0f} MiB |"
    yield f"| memory of the process, with them | {resting.rss_mib:.0f} MiB |"
    second = resting.second
    yield f"| a second of rest, process | {second.process_ms:.1f} ms, {second.statements:.1f} statements |"
    yield f"| a second of rest, database | {second.database_ms:.1f} ms, {second.commits:.1f} commits |"
    yield f"| connections to the database | {resting.connections} |"
    yield f"| looking for those whose time has come, with a new connection | {resting.watch_ms:.2f} ms |"


def _plan_table(plans: Mapping[str, Plan]) -> Iterator[str]:
    yield f"\n| What is needed | {' | '.join(plans)} |"
    yield "|---|" + "---|" * len(plans)
    rows = {name: asdict(one) | {"worker_pods": one.worker_pods} for name, one in plans.items()}
    for figure in next(iter(rows.values())):
        shown = " | ".join(_three_digits(row[figure]) for row in rows.values())
        yield f"| {figure.replace('_', ' ')} | {shown} |"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits


def _print_lines(lines: Iterator[str] | Sequence[str]) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    typer.run(main)
