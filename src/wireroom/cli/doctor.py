"""`wireroom doctor`: says in plain words what is missing, and how to mend it; see `wireroom.doctor`."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from wireroom.doctor.findings import Finding

_MARKS = {"fine": "✅", "problem": "⚠️ ", "fatal": "❌"}


def doctor(as_json: bool = typer.Option(False, "--json", help="One JSON array.")) -> None:
    """Check the installation; exit code 1 when something keeps it from working."""
    from wireroom.cli.logs import set_up_logs  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.doctor.look import look_around  # noqa: PLC0415 - as above
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above

    set_up_logs("error", coloured=True)
    findings = asyncio.run(look_around(load_settings(), os.environ))
    if as_json:
        typer.echo(json.dumps([_as_json(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(f"{_MARKS[finding.verdict]} {finding.subject}: {finding.sentence}")
    if any(finding.verdict == "fatal" for finding in findings):
        raise typer.Exit(1)


def _as_json(finding: Finding) -> dict[str, object]:
    return {
        "subject": finding.subject,
        "ok": finding.ok,
        "text": finding.sentence,
        "verdict": finding.verdict.value,
        "mend": finding.mend,
    }
