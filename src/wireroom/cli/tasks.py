"""`wireroom tasks …`: the board."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer

from wireroom.cli.session import fail, one_line, open_services, print_rows, run, when
from wireroom.clock import to_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from wireroom.api.services import Services
    from wireroom.tasks.requests import TaskFields
    from wireroom.tasks.rows import TaskView

cli = typer.Typer(
    no_args_is_help=True, help="The task board: what is to be done, in which order, and how it went."
)

_TaskId = Annotated[int, typer.Argument(min=1, max=2**31 - 1)]
_Json = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]
_Order = Annotated[int | None, typer.Option(help="Lower goes first.")]
_Repository = Annotated[str | None, typer.Option(help="Folder under the repositories' root; '' for none.")]
_Branch = Annotated[str | None, typer.Option(help="What the work begins with.")]
_Backend = Annotated[str | None, typer.Option(help="The coding agent.")]
_Labels = Annotated[list[str] | None, typer.Option("--label", help="May be repeated; '' for none.")]
_Needs = Annotated[
    list[int] | None, typer.Option("--needs", help="A task to wait for; may be repeated; 0 for none.")
]
_NotBefore = Annotated[str | None, typer.Option(help="A time such as 2026-11-22T06:00:00Z.")]


@cli.command("add")
def add(  # noqa: PLR0917 - options of a command line
    prompt: str,
    order: _Order = None,
    repository: _Repository = None,
    branch: _Branch = None,
    backend: _Backend = None,
    label: _Labels = None,
    needs: _Needs = None,
    not_before: _NotBefore = None,
    backlog: bool = typer.Option(
        False, "--backlog", help="Put it into the backlog: it waits until it is made ready."
    ),
    as_json: _Json = False,
) -> None:
    """Add a task."""
    said = _said(
        prompt=prompt,
        order=order,
        repository=repository,
        branch=branch,
        backend=backend,
        labels=label,
        needs=needs,
        not_before=not_before,
        status=3 if backlog else None,
    )

    def unit(conn: Connection, services: Services, now_ms: int) -> TaskView:
        from wireroom.tasks.board import add_task  # noqa: PLC0415 - heavy; see cli.main

        return add_task(conn, services.jobs, _checked(said, services, new=True), now_ms)

    _change(unit, as_json=as_json)


@cli.command("list")
def list_all(
    status: str = typer.Option(
        "", help="Only this status: ready, complete, archived, backlogged, in_progress."
    ),
    dead: bool = typer.Option(False, "--dead", help="Only those that were given up."),
    limit: int = typer.Option(50, min=1, max=10_000, help="Show no more than so many."),
    as_json: _Json = False,
) -> None:
    """List tasks in the board's order."""

    async def work() -> None:
        from wireroom.tasks.listing import Wanted, count_tasks, list_tasks  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.tasks.requests import read_status  # noqa: PLC0415 - as above

        wanted = Wanted(status=int(read_status(status)) if status else None, dead_only=dead, limit=limit)
        async with open_services() as services:
            found, total = await services.db.read(
                lambda conn: (list_tasks(conn, wanted), count_tasks(conn, wanted))
            )
        if as_json:
            typer.echo(msgspec.json.encode([_body(task) for task in found]).decode())
            return
        rows = [
            (task.id, task.order, _state(task), task.repository or "-", one_line(task.prompt))
            for task in found
        ]
        print_rows(("TASK", "ORDER", "STATUS", "REPOSITORY", "PROMPT"), rows, "No tasks.")
        if total > len(found):
            typer.echo(f"… and {total - len(found)} more; --limit shows them.")

    run(work())


@cli.command("show")
def show(task_id: _TaskId, as_json: _Json = False) -> None:
    """Show one task with its attempts."""

    async def work() -> None:
        from wireroom.api.task_bodies import attempt_body  # noqa: PLC0415 - heavy; see cli.main
        from wireroom.tasks.rows import attempts_of, find_task  # noqa: PLC0415 - as above

        async with open_services() as services:
            task = await services.db.read(lambda conn: find_task(conn, task_id))
            if task is None:
                _unknown(task_id)
            attempts = await services.db.read(lambda conn: attempts_of(conn, task_id))
        if as_json:
            body = _body(task) | {"attempts": [attempt_body(one) for one in attempts]}
            typer.echo(msgspec.json.encode(body).decode())
            return
        typer.echo(f"{task.id}  {_state(task)}  order {task.order}")
        for name, value in _told(task).items():
            typer.echo(f"{name}: {value}")
        typer.echo(f"\n> {task.prompt}\n")
        rows = [
            (
                one.number,
                one.state,
                when(one.started_at),
                when(one.finished_at),
                one.run_id,
                one_line(one.error or one.result),
            )
            for one in attempts
        ]
        print_rows(("ATTEMPT", "STATE", "BEGAN", "ENDED", "RUN", "RESULT"), rows, "Not begun yet.")

    run(work())


@cli.command("edit")
def edit(  # noqa: PLR0917 - options of a command line
    task_id: _TaskId,
    prompt: str | None = typer.Option(None),
    order: _Order = None,
    repository: _Repository = None,
    branch: _Branch = None,
    backend: _Backend = None,
    label: _Labels = None,
    needs: _Needs = None,
    not_before: _NotBefore = None,
    as_json: _Json = False,
) -> None:
    """Change what is given and nothing else."""
    said = _said(
        prompt=prompt,
        order=order,
        repository=repository,
        branch=branch,
        backend=backend,
        labels=label,
        needs=needs,
        not_before=not_before,
    )
    _edit(task_id, said, as_json=as_json)


@cli.command("move")
def move(task_id: _TaskId, order: int, as_json: _Json = False) -> None:
    """Give a task another place: lower goes first; write `-- -5` for a negative one."""
    _edit(task_id, {"order": order}, as_json=as_json)


@cli.command("done")
def done(task_id: _TaskId, as_json: _Json = False) -> None:
    """Say that a task is complete."""
    _edit(task_id, {"status": 1}, as_json=as_json)


@cli.command("archive")
def archive(task_id: _TaskId, as_json: _Json = False) -> None:
    """Put a task away."""
    _edit(task_id, {"status": 2}, as_json=as_json)


@cli.command("backlog")
def backlog(task_id: _TaskId, as_json: _Json = False) -> None:
    """Set a task aside: it waits until it is made ready."""
    _edit(task_id, {"status": 3}, as_json=as_json)


@cli.command("retry")
def retry(task_id: _TaskId, as_json: _Json = False) -> None:
    """Make a task ready, as if it had never failed."""

    def unit(conn: Connection, services: Services, now_ms: int) -> TaskView:
        from wireroom.tasks.board import retry_task  # noqa: PLC0415 - heavy; see cli.main

        return retry_task(conn, services.jobs, task_id, now_ms)

    _change(unit, as_json=as_json)


@cli.command("delete")
def delete(task_id: _TaskId) -> None:
    """Delete a task for good; a run that works on it is stopped."""

    async def work() -> None:
        from wireroom.tasks.board import delete_task  # noqa: PLC0415 - heavy; see cli.main

        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            await services.db.write(lambda conn: delete_task(conn, services.jobs, task_id, now_ms))
        typer.echo(f"Task {task_id} is deleted.")

    run(work())


def _edit(task_id: int, said: dict[str, Any], *, as_json: bool) -> None:
    def unit(conn: Connection, services: Services, now_ms: int) -> TaskView:
        from wireroom.tasks.board import edit_task  # noqa: PLC0415 - heavy; see cli.main

        return edit_task(conn, services.jobs, task_id, _checked(said, services, new=False), now_ms)

    _change(unit, as_json=as_json)


def _change(change: Callable[[Connection, Services, int], TaskView], *, as_json: bool) -> None:
    """Do it in one unit, and show the task as it is then."""

    async def work() -> None:
        async with open_services() as services:
            now_ms = to_ms(services.clock.now())
            task = await services.db.write(lambda conn: change(conn, services, now_ms))
        if as_json:
            typer.echo(msgspec.json.encode(_body(task)).decode())
        else:
            typer.echo(f"Task {task.id} is {_state(task)}.")

    run(work())


def _checked(said: dict[str, Any], services: Services, *, new: bool) -> TaskFields:
    from wireroom.tasks.requests import read_fields, refuse_unknown_backend  # noqa: PLC0415 - as above

    fields = read_fields(said, new=new)
    refuse_unknown_backend(fields, services.asker.backend)
    return fields


def _said(**fields: Any) -> dict[str, Any]:
    """Return what was given on the command line; of a list that may be emptied, what is in it."""
    given = {name: value for name, value in fields.items() if value is not None}
    return {
        name: [one for one in value if one] if isinstance(value, list) else value
        for name, value in given.items()
    }


def _unknown(task_id: int) -> NoReturn:
    raise fail(f"There is no task {task_id}.")


def _state(task: TaskView) -> str:
    return f"{task.label} (given up)" if task.is_dead else task.label


def _body(task: TaskView) -> dict[str, Any]:
    from wireroom.api.task_bodies import task_body  # noqa: PLC0415 - heavy; see cli.main

    return task_body(task)


def _told(task: TaskView) -> dict[str, object]:
    """Return what is worth a line, by its name."""
    told: dict[str, object] = {
        "repository": task.repository,
        "branch": task.branch,
        "back end": task.backend,
        "labels": ", ".join(task.labels),
        "waits for": ", ".join(str(one) for one in task.needs),
        "not before": task.not_before and when(task.not_before),
        "failures": task.failures,
        "again at": task.next_try_at and when(task.next_try_at),
        "reason": task.reason,
        "run": task.run_id,
    }
    return {name: value for name, value in told.items() if value}
