"""`wireroom db …`: move, back up, restore and look over the database."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import typer

from wireroom.cli.session import print_rows
from wireroom.errors import Conflict

if TYPE_CHECKING:
    from wireroom.store.moving.copier import Sum

cli = typer.Typer(no_args_is_help=True, help="The database: move it, back it up, restore it, look it over.")

_TOLD_SECONDS = 2.0
_SHOWN_DIGITS = 16
_DAY_SECONDS = 86_400.0

_new_file = typer.Argument(help="A new file.")
_backup = typer.Argument(help="What `wireroom db backup` wrote.")
_url = typer.Option("", "--database", help="Its address; else the one that the settings name.")


@cli.command("copy")
def copy(
    source: str = typer.Argument(help="sqlite:///path or postgresql://…; left in the end."),
    target: str = typer.Argument(help="The other kind: empty, or begun by the same copy."),
    wait: float = typer.Option(_DAY_SECONDS, min=0, help="Seconds to wait for the service to be stopped."),
) -> None:
    """Move everything to another database while the service works; it says when to stop it.

    Ends with equal counts and checksums, and a source that refuses to be written to. Interrupted or killed,
    it goes on when it is run again.
    """
    from wireroom.store.moving.move import move  # noqa: PLC0415 - heavy; see cli.main

    shown = _Shown()
    with _interruptible(), shown:
        done = move(source, target, shown, wait_seconds=wait)
    if done is None:
        typer.echo("It has moved there before; nothing is left to do.")
        return
    _print_sums(done.sums)
    for table in done.left:
        typer.echo(f"Left behind, as it means nothing there: {table}")
    typer.echo(
        f"Moved and verified; nobody could write for {done.stopped_seconds:.1f} s. Now set"
        " WIREROOM_DATABASE_URL to the target and start the service."
    )


@cli.command("backup")
def backup(file: Path = _new_file, url: str = _url) -> None:
    """Write everything, of one moment, to a new file, while the service works."""
    from wireroom.store.moving.backup import back_up  # noqa: PLC0415 - heavy; see cli.main

    shown = _Shown()
    with _interruptible(), shown:
        sums = back_up(_named(url), file, shown)
    _print_sums(sums)
    typer.echo(f"{file} holds it all, {file.stat().st_size >> 10} KiB, and was read back.")


@cli.command("restore")
def restore(
    file: Path = _backup,
    url: str = _url,
    replace: bool = typer.Option(False, "--replace", help="The data that is there may go."),
) -> None:
    """Bring a database, of either kind, to what a backup holds; the service is stopped."""
    from wireroom.store.moving.backup import restore as bring_back  # noqa: PLC0415 - heavy; see cli.main

    shown = _Shown()
    with _interruptible(), shown:
        kept = bring_back(file, _named(url), shown, replaces=replace)
    typer.echo("Restored and verified." + (f" What was there is kept as {kept}." if kept else ""))


@cli.command("check")
def check(
    url: str = typer.Argument("", help="An address or a backup's file; else what the settings name."),
    sums: bool = typer.Option(False, "--sums", help="Read every row, and print counts and checksums."),
) -> None:
    """Look a database over: its pages, its references, and what must be true between rows.

    Exit code 1 when something is wrong, with what to do.
    """
    from wireroom.store.moving.backup import open_to_look, sums_of  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.store.moving.check import look_over  # noqa: PLC0415 - as above

    with closing(open_to_look(_named(url))) as side:
        found = look_over(side)
        if sums:
            _print_sums(sums_of(side))
    for one in found:
        typer.secho(f"✗ {one.what}", fg="red")
        typer.echo(f"  → {one.mend}")
    if found:
        raise typer.Exit(1)
    typer.echo("All is well.")


@cli.command("reopen")
def reopen(url: str = _url) -> None:
    """Take a database that was left by a move into use again; the other one keeps what came since."""
    from wireroom.store.moving.backup import open_to_look  # noqa: PLC0415 - heavy; see cli.main

    with closing(open_to_look(_named(url))) as side:
        gone = side.moved_to()
        if gone is None:
            raise Conflict(f"{side.name} was not left by a move.")
        side.reopen()
    typer.echo(f"It may be written to again. What {gone} was given since is not in it.")


def _named(url: str) -> str:
    """Return the address that is meant: a file's name is one, too."""
    if not url:
        from wireroom.settings import load_settings  # noqa: PLC0415 - heavy; see cli.main

        return load_settings().url
    return url if ":" in url else f"sqlite:///{Path(url).resolve()}"


def _print_sums(sums: Sequence[Sum]) -> None:
    rows = [
        (
            one.table,
            one.source_rows,
            one.target_rows,
            *(digest[:_SHOWN_DIGITS] for digest in (one.source_digest, one.target_digest)),
            "equal" if one.is_equal else "DIFFERS",
        )
        for one in sums
        if one.source_rows or one.target_rows
    ]
    columns = ("TABLE", "ROWS", "ROWS THERE", "CHECKSUM", "CHECKSUM THERE", "")
    print_rows(columns, rows, "There are no rows.")


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("\nStopped. What is done is kept: run the same again to go on.", err=True)
        raise typer.Exit(130) from None


class _Shown:
    """Tells people how far it is: one line that grows on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._told = self._began
        self._rows = 0
        self._size = 0
        self._open = False

    def say(self, text: str) -> None:
        """Tell a sentence."""
        self._end_line()
        typer.echo(text, err=True)

    def read(self, table: str, rows: int, size: int) -> None:
        """Count, and tell when it is time."""
        self._rows += rows
        self._size += size
        now = time.monotonic()
        if now - self._told < (0.1 if self._is_terminal else _TOLD_SECONDS):
            return
        self._told = now
        seconds = now - self._began
        text = f"{table}: {self._rows} rows, {self._size / 1e6:.0f} MB, {self._size / seconds / 1e6:.0f} MB/s"
        if self._is_terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._open = True
        else:
            typer.echo(text, err=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_line()

    def _end_line(self) -> None:
        if self._open:
            sys.stderr.write("\n")
            self._open = False
