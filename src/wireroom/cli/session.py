"""What commands share: the opened database, tables, times."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import typer

from wireroom.clock import SystemClock, from_ms

if TYPE_CHECKING:
    from wireroom.api.services import Services

_WIDTH_FOR_PROGRAMS = 400


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command's coroutine."""
    from wireroom.cli.logs import set_up_logs  # noqa: PLC0415 - heavy; see cli.main

    set_up_logs("warning", coloured=True)
    asyncio.run(work)


@asynccontextmanager
async def open_services() -> AsyncIterator[Services]:
    """Open the installation's database beside a running service, or without one."""
    from wireroom.app.commands import services_for_commands  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above

    async with services_for_commands(load_settings(), SystemClock()) as services:
        yield services


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print a table, or a sentence when there is nothing in it; for programs, one line a row."""
    from rich.console import Console  # noqa: PLC0415 - only tables need it
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    if not rows:
        typer.echo(empty)
        return
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # As text: a prompt may contain what the library takes for its own markup.
        table.add_row(*(Text(str(value)) for value in row))
    Console(width=None if sys.stdout.isatty() else _WIDTH_FOR_PROGRAMS).print(table)


def when(ms: int | None) -> str:
    """Return a stored time as people here read it; a dash for none."""
    return "-" if ms is None else from_ms(ms).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def one_line(text: str | None, limit: int = 60) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join((text or "").split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def fail(message: str) -> typer.Exit:
    """Print why a command could not do it; raise what is returned."""
    typer.secho(f"wireroom: {message}", err=True, fg="red")
    return typer.Exit(1)
