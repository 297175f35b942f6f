"""`wireroom callbacks list|retry|discard`: what callers are still to be told, and what could not be told."""

from __future__ import annotations

import typer

from wireroom.cli.session import fail, one_line, open_services, print_rows, run, when
from wireroom.clock import to_ms

cli = typer.Typer(no_args_is_help=True, help="Callbacks to programs: waiting, on their way, sent, or dead.")


@cli.command("list")
def list_all(
    state: str = typer.Option(
        "", help="Only this state: waiting, pending, sending, sent, dead or discarded."
    ),
    limit: int = typer.Option(20, min=1, max=1000, help="How many, newest first."),
) -> None:
    """List callbacks, newest first."""

    async def work() -> None:
        from wireroom.callbacks.queries import list_callbacks  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(
                lambda conn: list_callbacks(conn, state=state or None, limit=limit)
            )
        rows = [
            (view.id, view.state, view.attempts, when(view.due_at), view.address, one_line(view.error))
            for view in found
        ]
        print_rows(
            ("ID", "STATE", "TRIES", "NEXT TRY", "ADDRESS", "ERROR"),
            rows,
            f"No callback is {state}." if state else "No callbacks yet.",
        )

    run(work())


@cli.command("retry")
def retry(
    callback_id: int | None = typer.Argument(None, help="Its number in the list."),
    every: bool = typer.Option(False, "--all", help="Every dead callback, such as after a long outage."),
) -> None:
    """Send a dead callback again, with the idempotency key that it had."""
    if (callback_id is None) is not every:
        raise fail("Name one callback, or say --all.")

    async def work() -> None:
        from wireroom.callbacks.outbox import retry_all_dead, retry_callback  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            if callback_id is None:
                count = await services.db.write(lambda conn: retry_all_dead(conn, services.jobs, now_ms))
                typer.echo(f"Dead callbacks that will be sent again: {count}.")
                return
            if not await services.db.write(
                lambda conn: retry_callback(conn, services.jobs, callback_id, now_ms)
            ):
                raise fail(f"Callback {callback_id} is not dead; see `wireroom callbacks list`.")
        typer.echo("It will be sent again.")

    run(work())


@cli.command("discard")
def discard(callback_id: int) -> None:
    """Drop a dead callback for good."""

    async def work() -> None:
        from wireroom.callbacks.outbox import discard_callback  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            if not await services.db.write(lambda conn: discard_callback(conn, callback_id)):
                raise fail(f"Callback {callback_id} is not dead; see `wireroom callbacks list`.")
        typer.echo("Discarded.")

    run(work())
