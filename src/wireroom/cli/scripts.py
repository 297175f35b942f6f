"""`wireroom scripts list`: what agents have left in the scripts folder."""

from __future__ import annotations

import typer

from wireroom.cli.session import print_rows, when

cli = typer.Typer(no_args_is_help=True, help="One-off scripts that agents have written.")


@cli.callback()
def scripts() -> None:
    """One-off scripts that agents have written."""


@cli.command("list")
def list_all() -> None:
    """List the scripts by name, with the folder they are in."""
    from wireroom.settings import load_settings  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.workspaces.scripts import list_scripts, scripts_folder  # noqa: PLC0415 - as above

    folder = scripts_folder(load_settings())
    rows = [(one.name, one.size_bytes, when(one.modified_ms)) for one in list_scripts(folder)]
    typer.echo(folder.resolve())
    print_rows(("SCRIPT", "BYTES", "CHANGED"), rows, "No scripts yet.")
