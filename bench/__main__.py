"""Run benchmarks and print what was measured: `python -m bench [name …]`, all of them without a name."""

from __future__ import annotations

import asyncio
import logging
import sys

import structlog
import uvloop

from bench.harness import Benchmark, Measurement, find_benchmarks, machine

_WHOLE_FROM = 100


def main() -> None:
    """Run the named benchmarks, one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    known = find_benchmarks()
    names = sys.argv[1:] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"No benchmark called {', '.join(unknown)}. There are: {', '.join(known)}.")
    say(" | ".join(f"{key}: {value}" for key, value in machine().items()))
    for name in names:
        say(f"\n{name}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(report(known[name]))


async def report(benchmark: Benchmark) -> None:
    """Print each measurement as it comes."""
    async for measurement in benchmark():
        say(line(measurement))


def line(found: Measurement) -> str:
    """Return a measurement as one line of text."""
    spread = "slowest" if found.unit.endswith("/s") else "p99"
    text = (
        f"  {found.what:<52} {_number(found.median):>10} {found.unit:<3}"
        f" {spread} {_number(found.p99)}, n={len(found.samples)}, fsync {found.fsync}"
    )
    if found.reference_value:
        ratio = found.median / found.reference_value
        text += f"; {ratio:.2f}x of {found.reference} ({_number(found.reference_value)} {found.unit})"
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.3f}"


def say(text: str) -> None:
    """Print at once: a benchmark may take a while, and may be interrupted."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
