"""`wireroom updates list|retry|discard`: chat updates whose handling failed for good."""

from __future__ import annotations

import typer

from wireroom.cli.session import fail, one_line, open_services, print_rows, run, when

cli = typer.Typer(no_args_is_help=True, help="Chat updates that could not be handled (dead letters).")


@cli.command("list")
def list_dead(limit: int = typer.Option(20, min=1, max=1000, help="How many, newest first.")) -> None:
    """List dead updates, newest first."""

    async def work() -> None:
        from wireroom.intake.accept import dead_updates  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(lambda conn: dead_updates(conn, limit))
        rows = [
            (row.id, row.update_id, row.kind, when(row.received_at), one_line(row.reason)) for row in found
        ]
        print_rows(("ID", "UPDATE", "KIND", "RECEIVED", "REASON"), rows, "No dead updates.")

    run(work())


@cli.command("retry")
def retry(row_id: int) -> None:
    """Handle a dead update again."""

    async def work() -> None:
        from wireroom.intake.accept import retry_update  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            if not await services.db.write(lambda conn: retry_update(conn, services.jobs, row_id)):
                raise fail(f"Update {row_id} is not dead; see `wireroom updates list`.")
        typer.echo("It will be handled again.")

    run(work())


@cli.command("discard")
def discard(row_id: int) -> None:
    """Drop a dead update for good."""

    async def work() -> None:
        from wireroom.intake.accept import discard_update  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            if not await services.db.write(lambda conn: discard_update(conn, services.jobs, row_id)):
                raise fail(f"Update {row_id} is not dead; see `wireroom updates list`.")
        typer.echo("Discarded.")

    run(work())
