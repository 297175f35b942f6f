"""`wireroom operator on|off|status|lock|clear-lock`."""

from __future__ import annotations

import msgspec
import typer

from wireroom.cli.session import open_services, run
from wireroom.clock import to_ms

cli = typer.Typer(no_args_is_help=True, help="The task operator: takes tasks from the board and runs them.")
_WHO = "command line"


@cli.command("on")
def on() -> None:
    """Have the operator begin tasks; a running service follows at once."""

    async def work() -> None:
        from wireroom.tasks.switch import turn_on  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            await services.db.write(lambda conn: turn_on(conn, services.jobs, who=_WHO, now_ms=now_ms))
        typer.echo("The task operator is on.")

    run(work())


@cli.command("off")
def off() -> None:
    """Have the operator begin nothing more; what is at work goes on."""

    async def work() -> None:
        from wireroom.tasks.switch import turn_off  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            await services.db.write(lambda conn: turn_off(conn, who=_WHO, now_ms=now_ms))
        typer.echo("The task operator is off.")

    run(work())


@cli.command("status")
def status(
    as_json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Show whether it is on, what is at work, and how many tasks there are of each kind."""

    async def work() -> None:
        from wireroom.tasks.switch import operator_status  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(operator_status)
        if as_json:
            typer.echo(msgspec.json.encode(found).decode())
            return
        typer.echo(f"The task operator is {'on' if found.is_on else 'off'}.")
        typer.echo(", ".join(f"{count} {label}" for label, count in found.counts.items()))
        for task_id, run_id in found.at_work.items():
            typer.echo(f"at work: task {task_id}, {run_id}")
        for task_id in found.foreign:
            typer.echo(f"in progress elsewhere: task {task_id}; `wireroom tasks retry {task_id}` frees it")

    run(work())


@cli.command("lock")
def lock() -> None:
    """Tell whether a task is at work."""

    async def work() -> None:
        from wireroom.tasks.switch import is_locked  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            locked = await services.db.read(is_locked)
        typer.echo("A task is at work." if locked else "No task is at work.")

    run(work())


@cli.command("clear-lock")
def clear() -> None:
    """Stop what is at work, and make every task in progress ready again."""

    async def work() -> None:
        from wireroom.tasks.switch import clear_lock  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            freed = await services.db.write(lambda conn: clear_lock(conn, services.jobs, now_ms))
        typer.echo(f"{freed} ready again." if freed else "Nothing was in progress.")

    run(work())
