"""`wireroom bench …`: the benchmarks of the source that this command belongs to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typer

from wireroom.cli.session import fail

SOURCE = Path(__file__).parents[3]


def bench(context: typer.Context) -> None:
    """Measure: `run`, `compare` two commits, `validate` promises and baseline; `--help` tells more."""
    if not (SOURCE / "bench" / "__main__.py").is_file():
        raise fail("The benchmarks come with the source: run `wireroom bench` in a checkout of it.")
    os.chdir(SOURCE)
    os.execv(sys.executable, [sys.executable, "-m", "bench", *context.args])  # noqa: S606 - our own program
