"""`wireroom settings list|get|set`: the switches that take effect while everything runs."""

from __future__ import annotations

import msgspec
import typer

from wireroom.cli.session import open_services, print_rows, run
from wireroom.clock import to_ms

cli = typer.Typer(no_args_is_help=True, help="Switches that take effect at once, such as task_operator.")


@cli.command("list")
def list_all(
    as_json: bool = typer.Option(False, "--json", help="One JSON array instead of a table."),
) -> None:
    """List every setting, with what it does."""

    async def work() -> None:
        from wireroom.system_settings import list_settings  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(list_settings)
        if as_json:
            typer.echo(msgspec.json.encode(found).decode())
            return
        rows = [(view.name, _shown(view.value), view.updated_at or "-", view.meaning) for view in found]
        print_rows(("SETTING", "VALUE", "CHANGED (UTC)", "MEANING"), rows, "No settings.")

    run(work())


@cli.command("get")
def get(name: str) -> None:
    """Print a setting's value: 1 is on, 0 is off."""

    async def work() -> None:
        from wireroom.system_settings import get_setting  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(lambda conn: get_setting(conn, name))
        typer.echo(found.value)

    run(work())


@cli.command("set")
def set_value(name: str, value: str) -> None:
    """Set a setting: on, off, or a number. A running service follows at once."""

    async def work() -> None:
        from wireroom.system_settings import read_value, set_setting  # noqa: PLC0415 - heavy; see cli.main

        wanted = read_value(value)
        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            done = await services.db.write(
                lambda conn: set_setting(conn, name, wanted, who="command line", now_ms=now_ms)
            )
        typer.echo(f"{done.name} is {_shown(done.value)}.")

    run(work())


def _shown(value: int) -> str:
    return {0: "off", 1: "on"}.get(value, str(value))
