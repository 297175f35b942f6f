"""`wireroom bot add|list|remove|pause|resume|pair`: bots beside the bot of the settings."""

from __future__ import annotations

import secrets
import sys
from typing import TYPE_CHECKING

import typer

from wireroom.cli.session import open_services, print_rows, run
from wireroom.clock import to_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from wireroom.api.services import Services

cli = typer.Typer(no_args_is_help=True, help="More bots, each with its own people, repository and agent.")
_WHO = "command line"


@cli.command("add")
def add(
    name: str,
    repository: str = typer.Option("", help="Folder of REPOSITORIES_PATH that its conversations work in."),
    backend: str = typer.Option("", help="Coding agent of its conversations; default: WIREROOM_BACKEND."),
    poll: bool = typer.Option(False, "--poll", help="Fetch its updates even where Telegram could push them."),
) -> None:
    """Add a bot; its token is asked for, or read from standard input. A running service takes it up."""

    async def work() -> None:
        import aiohttp  # noqa: PLC0415 - heavy; see cli.main

        from wireroom.intake import bots  # noqa: PLC0415 - as above
        from wireroom.intake.new_bots import Wish, introduced, wanted_bot  # noqa: PLC0415 - as above
        from wireroom.sealing import seal_of  # noqa: PLC0415 - as above

        async with open_services() as services, aiohttp.ClientSession() as session:
            seal = seal_of(services.settings)()
            wish = Wish(name, _ask_token(), repository, backend, poll)
            new, warning = await introduced(wanted_bot(wish, services.settings), services.settings, session)
            now_ms = to_ms(services.clock.now())
            await _act(services, "bot.add", new.name, lambda conn: bots.add_bot(conn, seal, new, now_ms))
            typer.echo(f"{new.name} is added{f', @{new.username}' if new.username else ''}.")
            typer.echo(f"Let people in by a code: wireroom bot pair {new.name}")
            if warning:
                typer.echo(warning, err=True)

    run(work())


@cli.command("list")
def list_all() -> None:
    """List the added bots and what is wrong with them, if anything."""

    async def work() -> None:
        from wireroom.intake.bots import list_bots  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(list_bots)
        rows = [
            (
                bot.name,
                bot.bot_id,
                f"@{bot.username}" if bot.username else "",
                bot.repository or "",
                bot.backend or "",
                bot.state,
            )
            for bot in found
        ]
        columns = ("NAME", "ID", "USERNAME", "REPOSITORY", "AGENT", "STATE")
        print_rows(columns, rows, "No bots beside that of TELEGRAM_BOT_TOKEN.")

    run(work())


@cli.command("remove")
def remove(name: str) -> None:
    """Remove a bot and its secrets; what it has not sent becomes dead letters, which no other bot sends."""

    async def work() -> None:
        import aiohttp  # noqa: PLC0415 - heavy; see cli.main

        from wireroom.intake.bots import get_bot, remove_bot  # noqa: PLC0415 - as above
        from wireroom.intake.new_bots import take_leave  # noqa: PLC0415 - as above
        from wireroom.sealing import seal_of  # noqa: PLC0415 - as above

        async with open_services() as services, aiohttp.ClientSession() as session:
            bot = await services.db.read(lambda conn: get_bot(conn, name))
            await take_leave(bot, seal_of(services.settings), services.settings, session)
            now_ms, unsent = to_ms(services.clock.now()), 0

            def unit(conn: Connection) -> None:
                nonlocal unsent
                unsent = remove_bot(conn, name, now_ms)

            await _act(services, "bot.remove", name, unit)
        typer.echo(f"{name} is removed.")
        if unsent:
            typer.echo(f"{unsent} of its messages were not sent: wireroom deliveries list --state dead")

    run(work())


@cli.command("pause")
def pause(name: str) -> None:
    """Have a bot neither listen nor answer; what people write to it waits at Telegram, for a day at most."""
    run(_pause(name, is_paused=True))
    typer.echo(f"{name} pauses. Go on: wireroom bot resume {name}")


@cli.command("resume")
def resume(name: str) -> None:
    """Have a paused bot go on."""
    run(_pause(name, is_paused=False))
    typer.echo(f"{name} goes on.")


@cli.command("pair")
def pair(name: str) -> None:
    """Print a code that lets one person talk to this bot; send it to the bot within an hour."""

    async def work() -> None:
        from wireroom.intake.bots import get_bot  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.intake.pairing import new_pairing_code  # noqa: PLC0415 - as above

        async with open_services() as services:
            bot = await services.db.read(lambda conn: get_bot(conn, name))
            draw = secrets.token_bytes(16)
            typer.echo(await new_pairing_code(services.db, services.clock, draw, bot.bot_id))

    run(work())


async def _pause(name: str, *, is_paused: bool) -> None:
    from wireroom.intake.bots import pause_bot  # noqa: PLC0415 - heavy; see cli.main

    async with open_services() as services:
        action = "bot.pause" if is_paused else "bot.resume"
        await _act(services, action, name, lambda conn: pause_bot(conn, name, is_paused=is_paused))


def _ask_token() -> str:
    """Return a token typed without being shown, or one line of standard input; never an argument."""
    if sys.stdin.isatty():
        typed: str = typer.prompt("Token from @BotFather", hide_input=True)
        return typed
    return sys.stdin.readline().strip()


async def _act(services: Services, action: str, subject: str, unit: Callable[[Connection], object]) -> None:
    """Write the unit and its row of the audit, together."""
    from wireroom.api.auth import Caller  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.api.guard import note_action  # noqa: PLC0415 - as above

    now_ms = to_ms(services.clock.now())

    def whole(conn: Connection) -> None:
        unit(conn)
        note_action(conn, Caller(_WHO), action, subject, now_ms=now_ms)

    await services.db.write(whole)
