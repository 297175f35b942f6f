"""The tools for the task board and for settings. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from wireroom.mcp.spec import (
    EXCERPT_CHARS,
    Arguments,
    Call,
    NoArguments,
    Paged,
    ToolSpec,
    given,
    path_of,
    shorten,
)

Status = Literal["ready", "in_progress", "complete", "archived", "backlogged"]
TaskId = Annotated[int, Field(ge=1, le=2**31 - 1)]
_IN_LISTS = ("id", "status_label", "order", "prompt", "updatedat")


class ListTasks(Paged):
    """Arguments of list_tasks."""

    status: Status | None = None


class OneTask(Arguments):
    """Arguments of get_task."""

    id: TaskId


class CreateTask(Arguments):
    """Arguments of create_task."""

    prompt: Annotated[str, Field(min_length=1)]
    order: Annotated[int, Field(description="Lower runs first.")] = 0
    status: Status = "ready"
    repository: Annotated[str | None, Field(description="Folder name")] = None
    needs: Annotated[list[TaskId] | None, Field(description="Tasks to complete first")] = None


class UpdateTask(OneTask):
    """Arguments of update_task."""

    prompt: Annotated[str, Field(min_length=1)] | None = None
    order: int | None = None
    status: Status | None = None


class SetSetting(Arguments):
    """Arguments of set_setting."""

    name: Annotated[str, Field(min_length=1)]
    value: Annotated[int, Field(description="1 on, 0 off")]


def _list_call(wanted: ListTasks) -> Call:
    status = {"status_label": wanted.status} if wanted.status else {}
    return Call("GET", "/api/tasks", {"page": wanted.page, "limit": wanted.per_page, **status})


def _listed(_: ListTasks, body: Any) -> Any:
    tasks = [{name: task.get(name) for name in _IN_LISTS} for task in body["tasks"]]
    for task in tasks:
        task["prompt"] = shorten(str(task["prompt"]), EXCERPT_CHARS)
    return {"tasks": tasks, "pagination": body["pagination"]}


def _task_body(wanted: CreateTask | UpdateTask) -> dict[str, Any]:
    said = given(wanted, "prompt", "order", "status", "repository", "needs")
    status = said.pop("status", None)
    return said if status is None else {**said, "status_label": status}


def _settings(_: NoArguments, body: Any) -> Any:
    return {"settings": [_setting(one) for one in body["settings"]]}


def _setting(one: Any) -> dict[str, Any]:
    return {name: one[name] for name in ("name", "value", "meaning") if one[name] != ""}


TASK_TOOLS: Sequence[ToolSpec[Any]] = (
    ToolSpec(
        "list_tasks",
        "List tasks of the board in their order, prompts shortened.",
        ListTasks,
        _list_call,
        _listed,
        changes=False,
    ),
    ToolSpec(
        "get_task",
        "Show a task whole.",
        OneTask,
        lambda wanted: Call("GET", path_of("api", "tasks", wanted.id)),
        changes=False,
    ),
    ToolSpec(
        "create_task",
        "Add a task. Ready tasks are run by the operator, lowest order first; backlogged ones wait.",
        CreateTask,
        lambda wanted: Call("POST", "/api/tasks", body=_task_body(wanted)),
    ),
    ToolSpec(
        "update_task",
        "Change a task; set its status to complete, archive, backlog or ready it.",
        UpdateTask,
        lambda wanted: Call("PUT", path_of("api", "tasks", wanted.id), body=_task_body(wanted)),
    ),
)

SETTING_TOOLS: Sequence[ToolSpec[Any]] = (
    ToolSpec(
        "list_settings",
        "List the system settings, such as task_operator (runs ready tasks).",
        NoArguments,
        lambda _: Call("GET", "/api/settings"),
        _settings,
        changes=False,
    ),
    ToolSpec(
        "set_setting",
        "Set a system setting; it takes effect at once.",
        SetSetting,
        lambda wanted: Call("PUT", path_of("api", "settings", wanted.name), body={"value": wanted.value}),
        lambda _, body: _setting(body),
    ),
)
