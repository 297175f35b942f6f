"""`wireroom runs list|show|cancel|retry`."""

from __future__ import annotations

import secrets

import msgspec
import typer

from wireroom.cli.session import fail, one_line, open_services, print_rows, run, when
from wireroom.clock import to_ms

cli = typer.Typer(no_args_is_help=True, help="Requests to coding agents: what runs, waits and ended how.")


@cli.command("list")
def list_runs(
    state: str = typer.Option("", help="Only this state, such as running or failed."),
    limit: int = typer.Option(20, min=1, max=1000, help="How many, newest first."),
    as_json: bool = typer.Option(False, "--json", help="One JSON array instead of a table."),
) -> None:
    """List runs, newest first."""

    async def work() -> None:
        from wireroom.runs.queries import recent_runs  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(lambda conn: recent_runs(conn, state=state or None, limit=limit))
        if as_json:
            typer.echo(msgspec.json.encode(found).decode())
            return
        rows = [
            (view.id, view.state, when(view.queued_at), view.backend, one_line(view.prompt)) for view in found
        ]
        print_rows(
            ("RUN", "STATE", "QUEUED", "AGENT", "PROMPT"),
            rows,
            f"No run is {state}." if state else "No runs yet.",
        )

    run(work())


@cli.command("show")
def show_run(run_id: str) -> None:
    """Show one run with its log."""

    async def work() -> None:
        from wireroom.runs.events import read_events  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.runs.queries import find_run  # noqa: PLC0415 - as above

        async with open_services() as services:
            view = await services.db.read(lambda conn: find_run(conn, run_id))
            if view is None:
                raise fail(f"There is no run {run_id}.")
            events = await services.db.read(lambda conn: read_events(conn, view.id, limit=10_000))
        typer.echo(f"{view.id}  {view.state}  {view.backend}  {view.lane}")
        typer.echo(
            f"queued {when(view.queued_at)}, started {when(view.started_at)}, ended {when(view.finished_at)}"
        )
        if view.reason:
            typer.echo(f"reason: {view.reason}")
        typer.echo(f"\n> {view.prompt}\n")
        for event in events:
            typer.echo(f"{event.seq:>5} {event.kind:<12} {one_line(_told(event.payload), 100)}")
        if view.output:
            typer.echo(f"\n{view.output}")

    run(work())


@cli.command("cancel")
def cancel(run_id: str) -> None:
    """Stop a running run, or take a waiting one out of the queue."""

    async def work() -> None:
        from wireroom.runs.cancel import Cancelled, cancel_run  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            found = await services.db.write(lambda conn: cancel_run(conn, services.jobs, run_id, now_ms))
        match found:
            case Cancelled.STOPPING:
                typer.echo("It is being stopped.")
            case Cancelled.REMOVED:
                typer.echo("It was waiting and will not run.")
            case Cancelled.OVER:
                typer.echo("It had ended already.")
            case Cancelled.UNKNOWN:
                raise fail(f"There is no run {run_id}.")

    run(work())


@cli.command("retry")
def retry(run_id: str) -> None:
    """Ask the same again, in the same conversation and to the same chat."""

    async def work() -> None:
        from wireroom.intake.again import ask_again  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            request_id = f"retry-{run_id}-{secrets.token_hex(4)}"
            new_id = await services.db.write(
                lambda conn: ask_again(conn, services.asker, run_id, request_id, now_ms)
            )
        typer.echo(f"Queued as {new_id}.")

    run(work())


def _told(payload: dict[str, object]) -> str:
    for name in ("text", "summary", "state"):
        if name in payload:
            return str(payload[name])
    return msgspec.json.encode(payload).decode()
