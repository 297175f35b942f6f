"""`wireroom accounts add|list|password|remove`: names with passwords for the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wireroom.cli.session import open_services, print_rows, run, when
from wireroom.clock import to_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from wireroom.api.services import Services

cli = typer.Typer(no_args_is_help=True, help="Names with passwords, by which people log in to the page.")
_WHO = "command line"
Role = Annotated[Literal["viewer", "owner"], typer.Option(help="viewer: looks; owner: may do everything.")]


@cli.command("add")
def add(name: str, role: Role = "viewer") -> None:
    """Make an account; the password is asked for, or read from standard input."""

    async def work() -> None:
        from wireroom.api.access_accounts import add_account  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.api.access_passwords import make_hash  # noqa: PLC0415 - as above
        from wireroom.api.access_rules import PageRole, account_name, new_password  # noqa: PLC0415 - as above

        known_as = account_name(name)
        made = make_hash(new_password(_ask(known_as), name=known_as))
        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            await _act(
                services,
                "account.add",
                known_as,
                lambda conn: add_account(conn, known_as, made, PageRole(role), now_ms),
            )
        typer.echo(f"{known_as} may log in as {'an owner' if role == 'owner' else 'a viewer'}.")

    run(work())


@cli.command("list")
def list_all() -> None:
    """List the accounts."""

    async def work() -> None:
        from wireroom.api.access_accounts import list_accounts  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            found = await services.db.read(list_accounts)
        rows = [(one.name, one.role, when(one.created_at), when(one.changed_at)) for one in found]
        print_rows(("NAME", "ROLE", "CREATED", "CHANGED"), rows, "No accounts: the page takes login links.")

    run(work())


@cli.command("password")
def password(name: str) -> None:
    """Give an account another password; its sessions end."""

    async def work() -> None:
        from wireroom.api.access_accounts import get_account, set_password  # noqa: PLC0415 - see cli.main
        from wireroom.api.access_passwords import make_hash  # noqa: PLC0415 - as above
        from wireroom.api.access_rules import new_password  # noqa: PLC0415 - as above

        async with open_services() as services:
            await services.db.read(lambda conn: get_account(conn, name))
            made, now_ms = make_hash(new_password(_ask(name), name=name)), to_ms(services.clock.now())
            await _act(
                services, "account.password", name, lambda conn: set_password(conn, name, made, now_ms)
            )
        typer.echo(f"{name} has another password; every session of it has ended.")

    run(work())


@cli.command("remove")
def remove(name: str) -> None:
    """Remove an account; its sessions end."""

    async def work() -> None:
        from wireroom.api.access_accounts import remove_account  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            await _act(services, "account.remove", name, lambda conn: remove_account(conn, name))
        typer.echo(f"{name} is removed; every session of it has ended.")

    run(work())


def _ask(name: str) -> str:
    """Return a password typed twice without being shown, or one line of standard input."""
    if sys.stdin.isatty():
        typed: str = typer.prompt(f"Password for {name}", hide_input=True, confirmation_prompt=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


async def _act(services: Services, action: str, subject: str, unit: Callable[[Connection], object]) -> None:
    """Write the unit and its row of the audit, together."""
    from wireroom.api.auth import Caller  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.api.guard import note_action  # noqa: PLC0415 - as above

    now_ms = to_ms(services.clock.now())

    def whole(conn: Connection) -> None:
        unit(conn)
        note_action(conn, Caller(_WHO), action, subject, now_ms=now_ms)

    await services.db.write(whole)
