"""`run`, `compare` and `validate`: measure, hold two commits together, hold promises and a baseline."""

from __future__ import annotations

import asyncio
import logging
import os
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import structlog
import typer
import uvloop

from bench.baseline import Baseline, Figure, path_for, read_baseline, write_baseline
from bench.compare import FEWEST_ROUNDS, ROOT, Round, Told, checkout, last_release, measure
from bench.compare import compare as by_turns
from bench.harness import Benchmark, Measurement, find_benchmarks, machine
from bench.targets import Outcome, machine_speed, outcome
from bench.verdict import Verdict, judge
from wireroom.errors import SettingsError

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Measure Wireroom from its source.")
_names = typer.Argument(None, help="Benchmarks by name; all of them without one.")
_short = typer.Option(False, "--short", help="A fifth of the work: quicker, and less sure.")
_baseline = typer.Option(None, help="The baseline's file; this kind of machine's without it.")
_plant = typer.Option(0.0, help="Slow the webhook by so many percent, to see that it is found.")
_WHOLE_FROM = 100
_YARDSTICK = "webhook"


@cli.command("list")
def list_names() -> None:
    """List the benchmarks."""
    typer.echo("\n".join(find_benchmarks()))


@cli.command()
def run(
    names: list[str] | None = _names,
    short: bool = _short,
    as_json: bool = typer.Option(False, "--json", help="A JSON line for each measurement."),
) -> None:
    """Measure, and say on which machine, commit and fsync setting."""
    if not as_json:
        typer.echo(_machine_line())
    measure_here(names or (), short=short, as_json=as_json)


@cli.command()
def compare(
    names: list[str] | None = _names,
    against: str = typer.Option("", help="The commit to compare with; the last released tag without it."),
    rounds: int = typer.Option(5, min=FEWEST_ROUNDS, help="How often each is measured, by turns."),
    short: bool = _short,
) -> None:
    """Measure this checkout and another commit by turns; fail when this one is worse beyond noise."""
    commit, wanted = against or last_release(), names or [_YARDSTICK]
    _known(wanted)
    typer.echo(f"{_machine_line()}\nthis checkout against {commit}, {rounds} rounds by turns")
    known = Round((), ())
    with checkout(commit) as tree:
        by = partial(measure, names=wanted, short=short)
        for number, known in enumerate(by_turns(tree, ROOT, by, rounds=rounds), 1):
            typer.echo(f"\nafter round {number} of {rounds}\n" + "\n".join(map(str, known.verdicts)))
    if known.alone:
        typer.echo(f"\nNot compared, missing or 0 in one of both: {'; '.join(known.alone)}")
    _end(known.verdicts, ())


@cli.command()
def validate(
    names: list[str] | None = _names,
    baseline: Path | None = _baseline,
    write: bool = typer.Option(False, "--write", help="Make what is measured now the baseline."),
    plant: float = _plant,
    short: bool = _short,
) -> None:
    """Hold what is measured to the promises and to the baseline; fail when one is missed or worse."""
    if plant:
        os.environ["BENCH_PLANT_PERCENT"] = str(plant)
    here = machine()
    path = baseline or path_for(here)
    typer.echo(_machine_line())
    found = measure_here(names or (), short=short)
    if write:
        write_baseline(path, Baseline(here, [_figure(told) for told in found if told.measurement.ratios]))
        typer.echo(f"\nWritten: {path}")
        return
    outcomes = _outcomes(found)
    known = read_baseline(path)
    verdicts = [] if known is None else _against(known, found)
    typer.echo("\nPromises\n" + "\n".join(map(str, outcomes)))
    typer.echo(f"\nBaseline {path.name}" + (": none yet; --write makes one" if known is None else ""))
    typer.echo("\n".join(map(str, verdicts)))
    _end(verdicts, outcomes)


def measure_here(names: Sequence[str], *, short: bool, as_json: bool = False) -> list[Told]:
    """Run benchmarks in this process and print each measurement as it comes.

    Raises:
        SettingsError: there is no benchmark of that name.
    """
    if short:
        os.environ["BENCH_SHORT"] = "1"
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    known = _known(names)
    found: list[Told] = []

    async def one(name: str) -> None:
        async for measurement in known[name]():
            told = Told(name, measurement)
            found.append(told)
            typer.echo(msgspec.json.encode(told).decode() if as_json else line(measurement))

    for name in names or list(known):
        if not as_json:
            typer.echo(f"\n{name}")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(one(name))
    return found


def _known(names: Sequence[str]) -> dict[str, Benchmark]:
    """Return all benchmarks.

    Raises:
        SettingsError: one of the names is none of theirs.
    """
    known = find_benchmarks()
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(f"No benchmark called {', '.join(unknown)}. There are: {', '.join(known)}.")
    return known


def line(found: Measurement) -> str:
    """Return a measurement as one line of text."""
    spread = "p99" if not found.higher_is_better else "slowest" if found.unit.endswith("/s") else "least"
    text = (
        f"  {found.what:<52} {_number(found.median):>10} {found.unit:<3}"
        f" {spread} {_number(found.p99)}, n={len(found.samples)}, fsync {found.fsync}"
    )
    if found.reference_value:
        ratio = statistics.median(found.ratios)
        text += f"; {ratio:.2f}x of {found.reference} ({_number(found.reference_value)} {found.unit})"
    if found.elsewhere:
        text += f"; elsewhere {found.elsewhere}"
    return text


def _outcomes(found: Sequence[Told]) -> Sequence[Outcome]:
    speed = _speed(found)
    if speed is None:
        typer.echo(
            "\nThe machine's speed is not known without the benchmark webhook: promises as they stand."
        )
    else:
        typer.echo(f"\nThis machine: {speed:.0%} of the speed of the one of the promises.")
    outcomes = (outcome(told.benchmark, told.measurement, speed or 1.0) for told in found)
    return [one for one in outcomes if one is not None]


def _speed(found: Sequence[Told]) -> float | None:
    bare = (
        told.measurement.reference_value
        for told in found
        if told.benchmark == _YARDSTICK and told.measurement.higher_is_better
    )
    value = next(bare, None)
    return None if value is None else machine_speed(value)


def _against(known: Baseline, found: Sequence[Told]) -> list[Verdict]:
    verdicts = []
    for told in found:
        before = known.ratios_of(told.benchmark, told.measurement.what)
        if before and told.measurement.ratios:
            what = f"{told.benchmark}: {told.measurement.what}"
            higher = told.measurement.higher_is_better
            verdicts.append(judge(what, before, told.measurement.ratios, higher_is_better=higher))
    return verdicts


def _figure(told: Told) -> Figure:
    found = told.measurement
    return Figure(told.benchmark, found.what, found.higher_is_better, [round(one, 4) for one in found.ratios])


def _end(verdicts: Sequence[Verdict], outcomes: Sequence[Outcome]) -> None:
    """Say what was found wrong, and fail if something was."""
    worse = [verdict.what for verdict in verdicts if verdict.is_regression]
    missed = [one.target.what for one in outcomes if not one.is_met]
    typer.echo("\nWorse than before: " + ("; ".join(worse) or "nothing"))
    typer.echo("Promises missed: " + ("; ".join(missed) or "none"))
    if worse or missed:
        raise typer.Exit(1)


def _machine_line() -> str:
    return " | ".join(f"{key}: {value}" for key, value in machine().items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= _WHOLE_FROM else f"{value:.3f}"
