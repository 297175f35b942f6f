"""What every benchmark shares: how one is declared, what a measurement is, what is said of the machine.

A benchmark is an async generator of `Measurement`s, declared with `@benchmark("name")` in any module of this
package; adding the file is enough. Each measurement carries a reference from the same run, so that a slow
machine or a busy neighbour shows in both.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory

import pysqlite3

import bench
from wireroom.store.migrate import ensure_schema
from wireroom.store.sqlite import SqliteDatabase


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the report."""

    what: str
    samples: Sequence[float]
    """One value a sample; a throughput has one a repetition, a latency one an operation."""
    unit: str
    """`/s`, `ms` …"""
    reference: str = ""
    """What was measured beside it in the same run."""
    reference_value: float | None = None
    """The reference's median, in the same unit."""
    paired: Sequence[float] = ()
    """Where both were measured by turns: the ratio of each turn, which a machine that changes its speed
    hardly moves."""
    elsewhere: str = ""
    """What was measured on another day or machine: for people to read, never to judge by."""
    fsync: str = "on"
    """`on`: committed with fsync before it counted; `off` or `none` otherwise."""

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def higher_is_better(self) -> bool:
        """Tell a rate, or a share of hits, from a cost."""
        return self.unit.endswith("/s") or self.unit == "%"

    @property
    def ratios(self) -> Sequence[float]:
        """To the reference: one for each turn, or one in all, or none without a reference."""
        if self.paired or not self.reference_value:
            return self.paired
        return [self.median / self.reference_value]

    @property
    def p99(self) -> float:
        """The sample that 99 % do not exceed; of throughputs, the slowest repetition."""
        if self.higher_is_better:
            return min(self.samples)
        return sorted(self.samples)[max(0, -(-len(self.samples) * 99 // 100) - 1)]


def scaled(count: int) -> int:
    """Return the count of a full measurement, or a fifth of it when `BENCH_SHORT` is set."""
    return max(1, count // 5) if os.environ.get("BENCH_SHORT") else count


Benchmark = Callable[[], AsyncIterator[Measurement]]

_BENCHMARKS: dict[str, Benchmark] = {}


def benchmark(name: str) -> Callable[[Benchmark], Benchmark]:
    """Declare a benchmark under a name of the command line."""

    def declare(function: Benchmark) -> Benchmark:
        _BENCHMARKS[name] = function
        return function

    return declare


def find_benchmarks() -> dict[str, Benchmark]:
    """Import every module of the package and return the benchmarks declared there, by name."""
    for module in iter_modules(bench.__path__):
        if module.name != "__main__":
            import_module(f"bench.{module.name}")
    return dict(sorted(_BENCHMARKS.items()))


def machine() -> dict[str, str]:
    """Return what a figure depends on and cannot be read without."""
    return {
        "cpu": f"{_cpu_model()}, {os.cpu_count()} cores",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": pysqlite3.sqlite_version,
        "commit": _commit(),
    }


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip() or "unknown"


@asynccontextmanager
async def fresh_database() -> AsyncIterator[SqliteDatabase]:
    """Lend a migrated, empty SQLite database on the disk of this package, with fsync as in production.

    Not in the system's temporary folder, which is often memory and would flatter every figure.
    """
    with TemporaryDirectory(dir=Path(__file__).parent, prefix=".data-") as folder:
        path = Path(folder) / "bench.sqlite3"
        ensure_schema(f"sqlite:///{path}")
        db = SqliteDatabase(path)
        try:
            yield db
        finally:
            await db.close()


class Timer:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self._start
