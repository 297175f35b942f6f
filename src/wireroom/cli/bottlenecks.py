"""`wireroom bottlenecks`: what makes people wait in a running service, why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from wireroom.cli.profile import Output, show_answer

_SECONDS = typer.Option(None, "--seconds", help="How long to look, at most 60; none: since the start.")
_FORMAT = typer.Option(Output.TEXT, "--format", help="text, json or html.")
_OUTPUT = typer.Option(None, "--output", help="File to write to instead of printing.")


def bottlenecks(
    seconds: float | None = _SECONDS, form: Output = _FORMAT, output: Path | None = _OUTPUT
) -> None:
    """Rank what makes people wait, with what shows it and what to do."""
    if form is Output.SPEEDSCOPE:
        raise typer.BadParameter("Bottlenecks come as text, json or html.")
    show_answer("bottlenecks", seconds, form, output, _show)


def _show(report: Mapping[str, Any]) -> None:
    typer.echo(f"In {report['seconds']:.0f} s people and their work waited for:")
    for number, cause in enumerate(report["causes"], start=1):
        typer.echo(f"\n{number}. {cause['kind']}: {cause['what']} ({cause['cost_seconds']:.2f} s)")
        for sentence in cause["shown_by"]:
            typer.echo(f"   {sentence}")
        typer.echo(f"   → {cause['advice']}")
    if not report["causes"]:
        typer.echo("nothing worth a line.")
