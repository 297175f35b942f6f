"""The tools for runs: requests to coding agents. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field

from wireroom.mcp.spec import EXCERPT_CHARS, Arguments, Call, Paged, ToolSpec, given, path_of, shorten
from wireroom.runs.states import RunState

RunId = Annotated[str, Field(min_length=1)]
_IN_LISTS = ("id", "request_id", "state", "reason", "backend", "queued_at", "finished_at", "prompt_excerpt")
_WHOLE = (
    "id",
    "request_id",
    "state",
    "reason",
    "error_code",
    "backend",
    "repository",
    "branch",
    "usage",
    "queued_at",
    "started_at",
    "finished_at",
)


class ListRuns(Paged):
    """Arguments of list_runs."""

    state: RunState | None = None


class OneRun(Arguments):
    """Arguments of cancel_run."""

    id: RunId


class ShowRun(OneRun):
    """Arguments of get_run."""

    max_chars: Annotated[int, Field(ge=0, le=200_000, description="Of its output; the end is kept.")] = 4000


class StartRun(Arguments):
    """Arguments of start_run."""

    prompt: Annotated[str, Field(min_length=1)]
    repository: Annotated[str | None, Field(description="Folder name")] = None
    iterate: Annotated[bool, Field(description="Review and go on until done.")] = False


def _list_call(wanted: ListRuns) -> Call:
    state = {"state": wanted.state.value} if wanted.state else {}
    return Call("GET", "/api/runs", {"page": wanted.page, "per_page": wanted.per_page, **state})


def _listed(_: ListRuns, body: Any) -> Any:
    runs = [_picked(run, _IN_LISTS) for run in body["runs"]]
    return {"runs": runs, "pagination": body["pagination"]}


def _shown(wanted: ShowRun, body: Any) -> Any:
    output = body["output"] or ""
    cut = max(0, len(output) - wanted.max_chars)
    omitted = {"output_chars_omitted": cut} if cut else {}
    prompt = shorten(body["prompt"], EXCERPT_CHARS)
    return {**_picked(body, _WHOLE), "prompt": prompt, "output": output[cut:], **omitted}


def _start_call(wanted: StartRun) -> Call:
    path = "/cursor/iterate/async" if wanted.iterate else "/cursor/execute/async"
    return Call("POST", path, body=given(wanted, "prompt", "repository"))


def _picked(run: Any, names: Sequence[str]) -> dict[str, Any]:
    """Return these fields, those that are null left out."""
    return {name: run[name] for name in names if run.get(name) is not None}


RUN_TOOLS: Sequence[ToolSpec[Any]] = (
    ToolSpec(
        "list_runs",
        "List runs of coding agents, newest first.",
        ListRuns,
        _list_call,
        _listed,
        changes=False,
    ),
    ToolSpec(
        "get_run",
        "Show a run by id or requestId, with its output.",
        ShowRun,
        lambda wanted: Call("GET", path_of("api", "runs", wanted.id)),
        _shown,
        changes=False,
    ),
    ToolSpec(
        "start_run",
        "Have a coding agent work on a prompt; returns a requestId at once.",
        StartRun,
        _start_call,
    ),
    ToolSpec(
        "cancel_run",
        "Stop a run, or take it out of the queue.",
        OneRun,
        lambda wanted: Call("POST", path_of("api", "runs", wanted.id, "cancel")),
        destroys=True,
    ),
)
