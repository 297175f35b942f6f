"""The `wireroom` command: `up` runs the service, the rest looks at the same database and changes it.

Heavy parts are imported by the commands that need them, so that `wireroom --help` answers at once.
"""

from __future__ import annotations

import sys

import typer

from wireroom import __version__
from wireroom.cli import (
    accounts,
    agents,
    autoscale,
    bench,
    bots,
    bottlenecks,
    callbacks,
    db,
    deliveries,
    doctor,
    load,
    mcp,
    operator,
    profile,
    queues,
    runs,
    scripts,
    service,
    settings,
    tasks,
    telegram,
    updates,
)
from wireroom.errors import WireroomError

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Runs coding agents from a chat and from a task board, and never loses a message.",
)
cli.command("up")(service.up)
cli.command("web")(service.web)
cli.command("worker")(service.worker)
cli.command("login")(service.login)
cli.command("pair")(service.pair)
cli.command("doctor")(doctor.doctor)
cli.command("mcp")(mcp.mcp)
cli.command("load")(load.load)
cli.command("bottlenecks")(bottlenecks.bottlenecks)
cli.command(
    "bench",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)(bench.bench)
cli.add_typer(accounts.cli, name="accounts")
cli.add_typer(runs.cli, name="runs")
cli.add_typer(tasks.cli, name="tasks")
cli.add_typer(operator.cli, name="operator")
cli.add_typer(agents.cli, name="agents")
cli.add_typer(queues.cli, name="queues")
cli.add_typer(deliveries.cli, name="deliveries")
cli.add_typer(callbacks.cli, name="callbacks")
cli.add_typer(updates.cli, name="updates")
cli.add_typer(scripts.cli, name="scripts")
cli.add_typer(settings.cli, name="settings")
cli.add_typer(telegram.cli, name="telegram")
cli.add_typer(bots.cli, name="bot")
cli.add_typer(profile.cli, name="profile")
cli.add_typer(db.cli, name="db")
cli.add_typer(autoscale.cli, name="autoscale")


@cli.command("version")
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run the command line; our own errors are one sentence and exit code 1."""
    try:
        cli()
    except WireroomError as error:
        typer.secho(f"wireroom: {error}", err=True, fg="red")
        sys.exit(1)
