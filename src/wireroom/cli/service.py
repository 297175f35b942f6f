"""`wireroom up`, `web`, `worker`, `login`, `pair`: run the service, and let a browser or a person in."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

import typer

from wireroom.cli.session import open_services, run
from wireroom.perf.gc_tuning import spare_the_collector

if TYPE_CHECKING:
    from wireroom.app.roles import Role
    from wireroom.app.service import Service
    from wireroom.settings import Settings


def up() -> None:
    """Run Wireroom: web, worker and chat in one process, until Ctrl-C or SIGTERM.

    The first one lets agents end for as long as is set; a second one ends the wait.
    """
    _run_service("all")


def web() -> None:
    """Run the part that serves people and programs: page, API, webhook; needs PostgreSQL and workers beside.

    Any number of them may run, behind anything that spreads requests; none of them works jobs.
    """
    _run_service("web")


def worker(
    queues: str = typer.Option(
        "",
        metavar="NAME,NAME",
        help="Work these queues alone: intake (what people sent), runs (agents), tasks (the board's turns),"
        " git (`/commit` and its like), side (`/btw`),"
        " delivery (answers), callbacks, speech (voice), agent-calls, agent-times (schedules). Default: all.",
    ),
    concurrency: int | None = typer.Option(
        None,
        min=1,
        max=1000,
        help="Agents that work at once in this process, for the queue runs; default: WIREROOM_RUN_SLOTS."
        " The other queues hardly compute and keep their own: intake 64, tasks 1, git 4, side 2,"
        " delivery 64,"
        " callbacks 16, speech 16, agent-calls 64, agent-times 8.",
    ),
) -> None:
    """Run the part that works: jobs, agents, schedules, answers; needs PostgreSQL, any number may run.

    Listens on HOST:PORT with /health, /ready, /metrics, and for its own agents' tools and callbacks. The
    first Ctrl-C or SIGTERM lets agents end for as long as is set; a second one ends the wait.
    """
    _run_service("worker", queues=queues, concurrency=concurrency)


def _run_service(name: str, *, queues: str = "", concurrency: int | None = None) -> None:
    """Run a process of this role; exit 1 when a part of it failed on its own."""
    import uvloop  # noqa: PLC0415 - only the service needs it

    from wireroom.app.roles import Role  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.cli.logs import set_up_logs  # noqa: PLC0415 - as above
    from wireroom.settings import load_settings  # noqa: PLC0415 - as above

    settings = load_settings()
    if concurrency is not None:
        settings = settings.model_copy(update={"run_slots": concurrency, "low_resource": False})
    set_up_logs(settings.log_level, coloured=sys.stderr.isatty())
    service = _service(settings, Role(name), queues)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        failed = runner.run(_serve(service))
    if failed:
        sys.exit(1)


def _service(settings: Settings, role: Role, queues: str) -> Service:
    from wireroom.app.engine import open_engine, queue_specs  # noqa: PLC0415 - heavy; see cli.main
    from wireroom.app.roles import chosen_queues  # noqa: PLC0415 - as above
    from wireroom.app.service import Service  # noqa: PLC0415 - as above

    chosen = chosen_queues(queues, [spec.name for spec in queue_specs(settings)])
    return Service(settings, role=role, engine=partial(open_engine, queues=chosen))


async def _serve(service: Service) -> bool:
    """Run until told to stop; True when a part failed on its own."""
    import structlog  # noqa: PLC0415 - heavy; see cli.main

    settings = service.settings
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        if stop.is_set():
            service.hurry()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)
    async with service:
        if settings.gc_tuning:
            spare_the_collector()
        await _greet(service)
        waits = [asyncio.create_task(event.wait()) for event in (stop, service.stopped)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        failed = service.stopped.is_set() and not stop.is_set()
        for wait in waits:
            wait.cancel()
        structlog.get_logger(__name__).info("stopping", drain_seconds=settings.drain_seconds)
    return failed


async def _greet(service: Service) -> None:
    """Print what a newcomer needs: the address, a one-time login, the agent and, with a bot, how to pair."""
    typer.echo(f"Wireroom listens on {service.address}")
    if not service.role.serves_people:
        sys.stdout.flush()
        return
    typer.echo(f"Log in (once, within 12 hours): {await service.login_link()}")
    typer.echo(f"Coding agent: {service.services.asker.backend}")
    if service.bot is None:
        typer.echo("Telegram: no bot (set TELEGRAM_BOT_TOKEN to add one)")
    elif not service.settings.allowed_users:
        code = await service.pairing_code()
        typer.echo(f"Telegram: send your bot the pairing code {code} within an hour")
    else:
        people = len(service.settings.allowed_users)
        typer.echo(
            f"Telegram: answering {'one person' if people == 1 else f'{people} people'} by the allow list"
        )
    sys.stdout.flush()


def login(
    viewer: bool = typer.Option(False, "--viewer", help="For somebody who may look and change nothing."),
) -> None:
    """Print a new one-time login link for the page."""

    async def work() -> None:
        from wireroom.api.access_rules import PageRole  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.api.auth import new_login_link  # noqa: PLC0415 - as above

        role = PageRole.VIEWER if viewer else PageRole.OWNER
        async with open_services() as services:
            typer.echo(await new_login_link(services, role))

    run(work())


def pair() -> None:
    """Print a code that lets one person talk to the bot; send it to the bot within an hour."""

    async def work() -> None:
        async with open_services() as services:
            if services.fresh_pairing_code is None:
                return
            if not services.settings.bot_token.get_secret_value():
                # No refusal: the token may be in the service's environment alone.
                typer.echo(
                    "TELEGRAM_BOT_TOKEN is not set here; without a bot the code is of no use.", err=True
                )
            typer.echo(await services.fresh_pairing_code())

    run(work())
