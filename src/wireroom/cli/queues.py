"""`wireroom queues …`: what agents' calls go through."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from wireroom.cli.session import open_services, print_rows, run
from wireroom.clock import to_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from wireroom.agents.queues import Queues

cli = typer.Typer(no_args_is_help=True, help="Queues of agents' calls.")
_as_json = typer.Option(False, "--json", help="Print JSON, as the API sends it.")


@cli.command("list")
def list_all(as_json: bool = _as_json) -> None:
    """List the queues with live counts."""

    async def work() -> None:
        from wireroom.api.agent_bodies import queue_info  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            queues, now_ms = services.desk.queues, to_ms(services.clock.now())
            found = await services.db.read(lambda conn: queues.list(conn, now_ms))
        if as_json:
            typer.echo(json.dumps({"queues": [queue_info(one) for one in found]}, indent=2))
            return
        rows = [
            (
                one.name,
                "paused" if one.is_paused else "open",
                one.concurrency,
                one.waiting,
                one.active,
                one.delayed,
                one.completed,
                one.failed,
                len(one.agents),
            )
            for one in found
        ]
        columns = ("NAME", "STATE", "AT ONCE", "WAITING", "ACTIVE", "DELAYED", "COMPLETED", "DEAD", "AGENTS")
        print_rows(columns, rows, "No queues yet.")

    run(work())


@cli.command("show")
def show(name: str) -> None:
    """Print one queue as JSON."""

    async def work() -> None:
        from wireroom.api.agent_bodies import queue_info  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            queues, now_ms = services.desk.queues, to_ms(services.clock.now())
            found = await services.db.read(lambda conn: queues.show(conn, name, now_ms))
        typer.echo(json.dumps(queue_info(found), indent=2, ensure_ascii=False))

    run(work())


@cli.command("create")
def create(
    name: str,
    concurrency: int = typer.Option(0, min=0, help="Calls at once; 0: as the setting says."),
    paused: bool = typer.Option(False, "--paused", help="Begin no call of it yet."),
) -> None:
    """Make a queue that stays until it is deleted."""
    _do(
        lambda queues, conn, now_ms: queues.create(
            conn, name, now_ms, concurrency=concurrency or None, paused=paused
        ),
        f'Queue "{name}" is made.',
    )


@cli.command("concurrency")
def concurrency(name: str, number: int = typer.Argument(min=0, help="0: as the setting says.")) -> None:
    """Say how many calls of a queue are made at once; it holds from now on."""
    _do(
        lambda queues, conn, now_ms: queues.widen(conn, name, number or None, now_ms),
        f'Queue "{name}" is changed.',
    )


@cli.command("delete")
def delete(name: str) -> None:
    """Delete an idle queue for good."""
    _do(lambda queues, conn, now_ms: queues.delete(conn, name, now_ms), f'Queue "{name}" is deleted.')


@cli.command("pause")
def pause(name: str) -> None:
    """Begin no more calls of it; those that are being made go on."""
    _do(lambda queues, conn, now_ms: queues.pause(conn, name, now_ms), f'Queue "{name}" rests.')


@cli.command("resume")
def resume(name: str) -> None:
    """Go on with what waits."""
    _do(lambda queues, conn, now_ms: queues.resume(conn, name, now_ms), f'Queue "{name}" goes on.')


@cli.command("purge")
def purge(name: str) -> None:
    """Forget the queue's calls that are over."""

    async def work() -> None:

        async with open_services() as services:
            queues, now_ms, purged = services.desk.queues, to_ms(services.clock.now()), 0
            while gone := await services.db.write(lambda conn: queues.purge(conn, name, now_ms)):
                purged += gone
        typer.echo(f"Calls that are forgotten: {purged}.")

    run(work())


def _do(unit: Callable[[Queues, Connection, int], object], done: str) -> None:
    async def work() -> None:

        async with open_services() as services:
            queues, now_ms = services.desk.queues, to_ms(services.clock.now())
            await services.db.write(lambda conn: unit(queues, conn, now_ms))
        typer.echo(done)

    run(work())
