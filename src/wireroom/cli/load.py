"""`wireroom load`: people played against a service, and a report of what it bears."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer

from wireroom.load.patterns import USUAL, Extent, Pattern

_MOST_SECONDS = 86_400
_MOST_PEOPLE = 5_000


def load(  # noqa: PLR0917 - options of a command line
    pattern: Annotated[Pattern, typer.Option(help="The shape of the load over time.")] = Pattern.STEADY,
    url: Annotated[
        str, typer.Option(help="Base URL of a service to load; without it, one is started on loopback.")
    ] = "",
    seconds: Annotated[
        float | None, typer.Option(min=1, max=_MOST_SECONDS, help="How long; the pattern's own unless said.")
    ] = None,
    users: Annotated[
        int | None, typer.Option(min=1, max=_MOST_PEOPLE, help="People at most; likewise.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="The page to write, JSON beside it; load-PATTERN.html unless said.")
    ] = None,
    pace: Annotated[
        float, typer.Option(min=0.01, max=100, help="How often people act: 2 is twice as often as usual.")
    ] = 1.0,
    agent_seconds: Annotated[
        float, typer.Option(min=0, max=60, help="How long a scripted agent works on a request.")
    ] = 0.3,
    telegram_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="With --url: where to play the Bot API that the service uses."),
    ] = None,
    pid: Annotated[int | None, typer.Option(help="With --url: the service's process, to look at.")] = None,
    target_ms: Annotated[
        float, typer.Option(min=1, help="Stress: what the p99 of requests must stay under.")
    ] = 200.0,
    answer_target_ms: Annotated[
        float, typer.Option(min=1, help="Stress: what the p99 of answers must stay under.")
    ] = 5_000.0,
) -> None:
    """Load a service with people who write, speak, file tasks, watch and call; exit 1 if anything was lost.

    With --url, the service's secrets come from TELEGRAM_WEBHOOK_SECRET and WEBHOOK_SECRET.
    """
    from wireroom.load.conduct import measure  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.load.knee import Targets  # noqa: PLC0415 - as above
    from wireroom.load.report import write_report  # noqa: PLC0415 - as above
    from wireroom.load.scene import Wanted  # noqa: PLC0415 - as above

    page = report or Path(f"load-{pattern.value}.html")
    usual = USUAL[pattern]
    wanted = Wanted(
        pattern=pattern,
        extent=Extent(seconds or usual.seconds, users or usual.people),
        beside=page.absolute().parent,
        url=url,
        telegram_port=telegram_port,
        pid=pid,
        pace=pace,
        agent_seconds=agent_seconds,
        webhook_secret=os.environ.get("TELEGRAM_WEBHOOK_SECRET", ""),
        api_secret=os.environ.get("WEBHOOK_SECRET", ""),
        targets=Targets(request_ms=target_ms, answer_ms=answer_target_ms),
    )
    found = asyncio.run(measure(wanted, typer.echo))
    beside = write_report(found, page)
    typer.echo(found.verdict)
    for line in (found.knee_words, *found.remarks):
        if line:
            typer.echo(line)
    typer.echo(f"Report: {page}, {beside}")
    if not found.clean:
        raise typer.Exit(1)
