"""`wireroom agents …`: scheduled and one-time agents, and what became of their calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from wireroom.cli.session import fail, one_line, open_services, print_rows, run, when
from wireroom.clock import to_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from wireroom.agents.desk import AgentDesk
    from wireroom.api.services import Services

T = TypeVar("T")
cli = typer.Typer(no_args_is_help=True, help="Agents: HTTP calls and prompts at their times, or once.")
_as_json = typer.Option(False, "--json", help="Print JSON, as the API sends it.")


@cli.command("list")
def list_all(as_json: bool = _as_json, limit: int = typer.Option(100, min=1, max=1000)) -> None:
    """List agents by name."""

    async def work() -> None:
        from wireroom.agents.queries import list_agents  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.api.agent_bodies import agent_status  # noqa: PLC0415 - as above

        async with open_services() as services:
            views = await services.db.read(lambda conn: list_agents(conn, limit=limit))
        if as_json:
            _print_json({"agents": [agent_status(view) for view in views]})
            return
        rows = [
            (
                view.agent.name,
                view.agent.action,
                "once" if view.agent.schedule_json is None else one_line(view.agent.schedule_json, 30),
                "paused" if view.agent.paused else ("active" if view.is_active else "-"),
                view.agent.queue,
                when(view.last_finished_at),
                when(view.agent.next_at if view.is_active else None),
            )
            for view in views
        ]
        print_rows(("NAME", "ACTION", "SCHEDULE", "STATE", "QUEUE", "LAST", "NEXT"), rows, "No agents yet.")

    run(work())


@cli.command("show")
def show(name: str) -> None:
    """Print one agent as JSON."""

    async def work() -> None:
        from wireroom.agents.queries import show_agent  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.api.agent_bodies import agent_status  # noqa: PLC0415 - as above

        async with open_services() as services:
            view = await services.db.read(lambda conn: show_agent(conn, name))
        if view is None:
            raise fail(f'Agent "{name}" not found')
        _print_json(agent_status(view))

    run(work())


@cli.command("create")
def create(
    name: str,
    *,
    target_url: str = typer.Option("", "--target-url", "-u", help="What is called; or say --prompt."),
    prompt: str = typer.Option("", "--prompt", "-p", help="What is run."),
    method: str = typer.Option("POST", "--method", "-m", help="GET, POST, PUT, DELETE or PATCH."),
    headers: str = typer.Option("{}", "--headers", "-H", help="JSON object."),
    body: str = typer.Option("", "--body", "-b", help="JSON."),
    options: str = typer.Option("{}", "--options", help="Of a prompt: JSON with repository, branch …"),
    schedule: str = typer.Option("", "--schedule", "-s", help='Cron, "every 5 minutes", {"every": ms}.'),
    one_time: bool = typer.Option(False, "--one-time", "-o", help="Call it once, now."),
    timeout: int = typer.Option(30_000, "--timeout", "-t", help="Of the whole exchange, milliseconds."),
    queue: str = typer.Option("", "--queue", "-q", help="Default: default."),
    timezone: str = typer.Option("", "--timezone", help="IANA name, for the schedule."),
    overlap: str = typer.Option("", "--overlap", help="skip, queue or allow."),
    missed: str = typer.Option("", "--missed", help="skip, once, late:10m, all:5."),
    attempts: int = typer.Option(0, "--attempts", min=0, help="Tries of a call; 0: the default."),
    idempotency_key: str = typer.Option("", "--idempotency-key", help="The same key twice is one call."),
) -> None:
    """Make an agent, or bring the one of this name up to date; a one-time agent is called at once."""
    given = {
        "targetUrl": target_url,
        "prompt": prompt,
        "schedule": _schedule(schedule),
        "queue": queue,
        "timezone": timezone,
        "overlap": overlap,
        "missed": missed,
        "retry": {"attempts": attempts} if attempts else None,
        "body": _read_json(body, "--body") if body else None,
    }
    fields = {
        "name": name,
        "method": method,
        "timeout": timeout,
        "oneTime": one_time,
        "headers": _read_json(headers, "--headers"),
        "options": _read_json(options, "--options"),
        **{field: value for field, value in given.items() if value not in ("", None)},
    }

    async def work() -> None:
        from wireroom.agents.definition import read_definition  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.api.agent_bodies import created_agent  # noqa: PLC0415 - as above

        async with open_services() as services:
            definition = read_definition(fields, services.settings.time_zone)
            saved = await _act(
                services,
                lambda desk, conn, now_ms: desk.agents.save(
                    conn, definition, now_ms, idempotency_key=idempotency_key or None
                ),
            )
        _print_json(created_agent(definition, saved))

    run(work())


@cli.command("delete")
def delete(name: str) -> None:
    """Delete an agent: its schedule ends, what waits is taken back, what works is stopped."""
    _do(lambda desk, conn, now_ms: desk.agents.delete(conn, name, now_ms), f'Agent "{name}" is deleted.')


@cli.command("run")
def run_now(name: str) -> None:
    """Call it now, whatever its schedule says."""
    _do(lambda desk, conn, now_ms: desk.agents.run_now(conn, name, now_ms), f'Agent "{name}" is called.')


@cli.command("pause")
def pause(name: str) -> None:
    """Let its schedule rest; what waits or works goes on."""
    _do(lambda desk, conn, now_ms: desk.agents.pause(conn, name, now_ms), f'Agent "{name}" rests.')


@cli.command("resume")
def resume(name: str) -> None:
    """Let its schedule go on; the slots of the pause are noted as skipped."""
    _do(lambda desk, conn, now_ms: desk.agents.resume(conn, name, now_ms), f'Agent "{name}" goes on.')


@cli.command("calls")
def calls(
    name: str,
    limit: int = typer.Option(20, min=1, max=1000, help="How many, newest first."),
    as_json: bool = _as_json,
) -> None:
    """List an agent's calls and skipped slots, newest first."""

    async def work() -> None:
        from wireroom.agents.agent import get_agent  # noqa: PLC0415 - as above
        from wireroom.agents.queries import list_calls  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.api.agent_bodies import call_body  # noqa: PLC0415 - as above

        async with open_services() as services:
            found = await services.db.read(
                lambda conn: list_calls(conn, get_agent(conn, name).id, limit=limit)
            )
        if as_json:
            _print_json({"calls": [call_body(call) for call in found]})
            return
        rows = [
            (
                call.id,
                call.state,
                when(call.slot_at or call.created_at),
                call.attempts,
                call.status_code or "-",
                "-" if call.duration_ms is None else f"{call.duration_ms} ms",
                one_line(call.error or call.reason),
            )
            for call in found
        ]
        print_rows(("ID", "STATE", "FOR", "TRIES", "STATUS", "TOOK", "WHY"), rows, "No calls yet.")

    run(work())


@cli.command("retry")
def retry(call_id: int) -> None:
    """Try a dead call again, with all its attempts."""

    def unit(desk: AgentDesk, conn: Connection, now_ms: int) -> None:
        if not desk.calls.retry(conn, call_id, now_ms):
            raise fail(f"Call {call_id} is not dead; see `wireroom agents calls`.")

    _do(unit, "It will be tried again.")


async def _act(services: Services, unit: Callable[[AgentDesk, Connection, int], T]) -> T:

    desk, now_ms = services.desk, to_ms(services.clock.now())
    return await services.db.write(lambda conn: unit(desk, conn, now_ms))


def _do(unit: Callable[[AgentDesk, Connection, int], object], done: str) -> None:
    async def work() -> None:
        async with open_services() as services:
            await _act(services, unit)
        typer.echo(done)

    run(work())


def _schedule(given: str) -> Any:
    return _read_json(given, "--schedule") if given.lstrip().startswith("{") else given


def _read_json(given: str, option: str) -> Any:
    try:
        return json.loads(given)
    except ValueError as error:
        raise fail(f"Invalid JSON in {option}: {error}") from error


def _print_json(value: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))
