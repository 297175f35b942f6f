"""What a program is told of its ended run: the body of a synchronous answer and of a callback. Pure.

The names are those of the older runner; `success` is true for a run that succeeded and for no other.

    {"success": true, "requestId": "req-1", "repository": "shop", "command": ["agent", "--print"],
     "output": "Done.", "error": null, "exitCode": 0, "duration": "1234ms",
     "timestamp": "2026-11-21T23:54:00.123Z", "branchName": "main",
     "runId": "run-1", "conversationId": "conversation-1", "state": "succeeded"}

Source: contract of cursor-runner, sections 1.2 and 2.9.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from wireroom.clock import from_ms
from wireroom.runs.queries import RunView
from wireroom.runs.states import RunMode, RunState

DEFAULT_ROUNDS = 5
"""What `maxIterations` says for a run that was given no other bound."""

_CODES = {
    RunState.FAILED: "failed",
    RunState.EXHAUSTED: "exhausted",
    RunState.TIMED_OUT: "timeout",
    RunState.CANCELLED: "cancelled",
    RunState.INTERRUPTED: "interrupted",
    RunState.JOINED: "joined",
}
_NO_VERDICT = frozenset({RunState.TIMED_OUT, RunState.CANCELLED, RunState.INTERRUPTED, RunState.JOINED})


def result_body(run: RunView) -> dict[str, Any]:
    """Return what an ended run has to tell; keys without a value that the older runner left out are left out.

    A run that fails before its agent starts has `exitCode` 1 and `duration` "0ms", as before.
    """
    succeeded = run.state is RunState.SUCCEEDED
    body: dict[str, Any] = {"success": succeeded, "requestId": run.request_id}
    if run.options.repository is not None:
        body["repository"] = run.options.repository
    if run.mode is RunMode.ITERATE:
        body |= _loop(run)
    else:
        body["command"] = list(run.report.command)
    body |= {
        "output": (run.output or "").strip(),
        "error": None if succeeded else _error(run),
        "exitCode": run.exit_code if run.exit_code is not None else int(not succeeded),
        "duration": f"{_duration_ms(run)}ms",
        "timestamp": _iso(run.finished_at if run.finished_at is not None else run.queued_at),
    }
    if run.options.branch_name is not None:
        body["branchName"] = run.options.branch_name
    return body | _about(run)


def http_status(run: RunView) -> HTTPStatus:
    """Return the status under which a synchronous caller is told of the ended run.

    200: its agent ended by itself, whatever its exit code; 422: a loop that ended without a good verdict;
    500: the run was cut off, or its agent could not be started.
    """
    if run.state is RunState.SUCCEEDED:
        return HTTPStatus.OK
    if run.state in _NO_VERDICT or run.started_at is None:
        return HTTPStatus.INTERNAL_SERVER_ERROR
    if run.mode is RunMode.ITERATE:
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.INTERNAL_SERVER_ERROR if run.exit_code is None else HTTPStatus.OK


def _loop(run: RunView) -> dict[str, Any]:
    report = run.report
    body: dict[str, Any] = {
        "iterations": report.iterations or 0,
        "maxIterations": report.max_iterations or run.options.max_rounds or DEFAULT_ROUNDS,
    }
    if report.justification is not None:
        body["reviewJustification"] = report.justification
    if report.original_output is not None:
        body["originalOutput"] = report.original_output
    return body


def _about(run: RunView) -> dict[str, Any]:
    """Return what the older runner did not tell."""
    body: dict[str, Any] = {
        "runId": run.id,
        "conversationId": run.conversation_id,
        "state": run.state.value,
    }
    code = run.report.error_code or _CODES.get(run.state)
    if code is not None and run.state is not RunState.SUCCEEDED:
        body["errorCode"] = code
    if run.report.branch is not None:
        body["branch"] = run.report.branch
    if run.report.diff is not None:
        body["diff"] = run.report.diff
    return body


def _error(run: RunView) -> str:
    return run.error or run.reason or f"The run is {run.state.value}."


def _duration_ms(run: RunView) -> int:
    if run.started_at is None or run.finished_at is None:
        return 0
    return max(0, run.finished_at - run.started_at)


def _iso(value_ms: int) -> str:
    return from_ms(value_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
