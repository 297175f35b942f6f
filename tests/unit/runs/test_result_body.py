"""What a program is told of its ended run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wireroom.runs.options import RunOptions, RunReport
from wireroom.runs.queries import RunView
from wireroom.runs.result_body import http_status, result_body
from wireroom.runs.states import RunMode, RunState

DONE = RunView(
    id="run-1",
    request_id="req-1",
    conversation_id="c-1",
    lane="conversation:c-1",
    source="api",
    prompt="Do it.",
    backend="demo",
    state=RunState.SUCCEEDED,
    reason=None,
    output=" Done.\n",
    exit_code=0,
    usage=None,
    event_count=3,
    interruptions=0,
    source_message_id=None,
    queued_at=1_763_769_239_000,
    started_at=1_763_769_240_000,
    finished_at=1_763_769_241_234,
    error=None,
    mode=RunMode.EXECUTE,
    options=RunOptions(repository="shop", branch_name="main"),
    report=RunReport(command=("agent", "--print")),
)
FAILED = replace(
    DONE, state=RunState.FAILED, exit_code=3, reason="It broke.", error="It broke.", output="half"
)
LOOPED = replace(
    DONE,
    mode=RunMode.ITERATE,
    report=RunReport(
        iterations=2, max_iterations=5, justification="All is there.", original_output="First try."
    ),
)


def test_good_run_is_told_in_the_contracts_words() -> None:
    """Every field of the older runner's answer, and what is new."""
    assert result_body(DONE) == {
        "success": True,
        "requestId": "req-1",
        "repository": "shop",
        "command": ["agent", "--print"],
        "output": "Done.",
        "error": None,
        "exitCode": 0,
        "duration": "1234ms",
        "timestamp": "2025-11-21T23:54:01.234Z",
        "branchName": "main",
        "runId": "run-1",
        "conversationId": "c-1",
        "state": "succeeded",
    }


def test_what_was_not_sent_is_left_out() -> None:
    """No repository and no branch: no keys for them."""
    body = result_body(replace(DONE, options=RunOptions()))
    assert not {"repository", "branchName"} & body.keys()


def test_failed_agent_is_no_success_and_keeps_its_output() -> None:
    """Exit 3 says why, and what was said until then."""
    body = result_body(FAILED)
    assert (body["success"], body["exitCode"], body["output"]) == (False, 3, "half")
    assert (body["error"], body["errorCode"]) == ("It broke.", "failed")


def test_loop_tells_of_its_rounds() -> None:
    """Rounds, bound, the review's words and the first output; no command."""
    body = result_body(LOOPED)
    assert "command" not in body
    assert (body["iterations"], body["maxIterations"]) == (2, 5)
    assert (body["reviewJustification"], body["originalOutput"]) == ("All is there.", "First try.")


def test_loop_that_never_began_tells_its_bound() -> None:
    """What was asked for, else five."""
    for wanted, told in ((7, 7), (None, 5)):
        run = replace(LOOPED, report=RunReport(), options=RunOptions(max_rounds=wanted))
        assert (result_body(run)["iterations"], result_body(run)["maxIterations"]) == (0, told)


def test_rejected_request_took_no_time() -> None:
    """A run that failed before its agent: exit code 1 and 0ms, as the contract has it."""
    rejected = replace(FAILED, exit_code=None, started_at=None, output=None, reason="prompt is required")
    body = result_body(replace(rejected, error=None))
    assert (body["exitCode"], body["duration"], body["output"]) == (1, "0ms", "")
    assert body["error"] == "prompt is required"


def test_word_of_the_report_wins() -> None:
    """The loop knows better than the state what went wrong; a success has no such word."""
    budget = RunReport(error_code="budget")
    assert result_body(replace(FAILED, report=budget))["errorCode"] == "budget"
    assert "errorCode" not in result_body(replace(DONE, report=budget))


def test_worktree_is_told_of() -> None:
    """Branch and diff of a run that worked in its own worktree."""
    report = RunReport(branch="wireroom/run-1", diff={"files": 2})
    body = result_body(replace(DONE, report=report))
    assert (body["branch"], body["diff"]) == ("wireroom/run-1", {"files": 2})


@pytest.mark.parametrize(
    ("run", "status"),
    [
        pytest.param(DONE, 200, id="done"),
        pytest.param(FAILED, 200, id="an agent that ended by itself"),
        pytest.param(replace(FAILED, exit_code=0), 200, id="an agent that reported a failure"),
        pytest.param(replace(FAILED, exit_code=None), 500, id="an agent that was not there"),
        pytest.param(replace(FAILED, started_at=None), 500, id="never begun"),
        pytest.param(replace(DONE, state=RunState.TIMED_OUT, exit_code=None), 500, id="too slow"),
        pytest.param(replace(DONE, state=RunState.CANCELLED), 500, id="stopped"),
        pytest.param(replace(DONE, state=RunState.INTERRUPTED), 500, id="interrupted"),
        pytest.param(LOOPED, 200, id="a loop that is done"),
        pytest.param(replace(LOOPED, state=RunState.EXHAUSTED), 422, id="an exhausted loop"),
        pytest.param(replace(LOOPED, state=RunState.FAILED), 422, id="a failed loop"),
        pytest.param(replace(LOOPED, state=RunState.TIMED_OUT), 500, id="a loop that was too slow"),
    ],
)
def test_status_of_the_answer(run: RunView, status: int) -> None:
    """200: the agent ended by itself; 422: a loop without a good verdict; 500: the run was cut off."""
    assert http_status(run) == status
