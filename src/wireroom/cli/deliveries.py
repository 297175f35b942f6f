"""`wireroom deliveries list|retry|discard`: answers on their way, and those that could not be sent."""

from __future__ import annotations

import typer

from wireroom.cli.session import fail, one_line, open_services, print_rows, run, when

cli = typer.Typer(no_args_is_help=True, help="Outgoing messages: what is on its way, sent, or dead.")


@cli.command("list")
def list_all(
    state: str = typer.Option("", help="Only this state: waiting, pending, sent, dead or discarded."),
    limit: int = typer.Option(20, min=1, max=1000, help="How many, newest first."),
) -> None:
    """List deliveries, newest first."""

    async def work() -> None:
        from wireroom.delivery.queries import list_deliveries  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(
                lambda conn: list_deliveries(conn, state=state or None, limit=limit)
            )
        rows = [
            (view.id, view.state, when(view.created_at), view.lane, one_line(view.error or view.body_excerpt))
            for view in found
        ]
        print_rows(
            ("ID", "STATE", "CREATED", "LANE", "ERROR OR TEXT"),
            rows,
            f"No delivery is {state}." if state else "No deliveries yet.",
        )

    run(work())


@cli.command("retry")
def retry(
    delivery_id: int | None = typer.Argument(None, help="Its number in the list."),
    every: bool = typer.Option(False, "--all", help="Every dead delivery, such as after a long outage."),
) -> None:
    """Send a dead delivery again, from the part that failed."""
    if (delivery_id is None) is not every:
        raise fail("Name one delivery, or say --all.")

    async def work() -> None:
        from wireroom.delivery.outbox import retry_all_dead, retry_delivery  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            if delivery_id is None:
                count = await services.db.write(lambda conn: retry_all_dead(conn, services.jobs))
                typer.echo(f"Dead deliveries that will be sent again: {count}.")
                return
            if not await services.db.write(lambda conn: retry_delivery(conn, services.jobs, delivery_id)):
                raise fail(f"Delivery {delivery_id} is not dead; see `wireroom deliveries list`.")
        typer.echo("It will be sent again.")

    run(work())


@cli.command("discard")
def discard(delivery_id: int) -> None:
    """Drop a dead delivery for good."""

    async def work() -> None:
        from wireroom.delivery.outbox import discard_delivery  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            if not await services.db.write(lambda conn: discard_delivery(conn, delivery_id)):
                raise fail(f"Delivery {delivery_id} is not dead; see `wireroom deliveries list`.")
        typer.echo("Discarded.")

    run(work())
