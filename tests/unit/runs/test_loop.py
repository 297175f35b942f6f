"""What the iterate loop does next, by its history alone."""

from __future__ import annotations

import pytest

from wireroom.conversations.context import Turn
from wireroom.runs import loop
from wireroom.runs.budget import Budget
from wireroom.runs.loop import Bounds, DoReview, DoWork, Failed, Judgement, Round, RoundKind, Stop, next_step
from wireroom.runs.options import RunOptions, RunReport
from wireroom.runs.review import Blocked, Complete, Continue, Unreadable
from wireroom.runs.states import RunState

BOUNDS = Bounds(max_rounds=2)
GO_ON = Continue("tests are missing", "write tests")
UNCLEAR = Unreadable("no verdict")


def _work(output: str = "did it", state: RunState = RunState.SUCCEEDED, *, code: str | None = None) -> Round:
    reason = None if state is RunState.SUCCEEDED else f"it is {state}"
    judgement = Failed(code) if code else None
    exit_code = 0 if state is RunState.SUCCEEDED else 3
    return Round(1, RoundKind.WORK, state, "task", output, reason, exit_code, judgement)


def _review(judgement: Judgement, state: RunState = RunState.SUCCEEDED) -> Round:
    return Round(2, RoundKind.REVIEW, state, "review it", judgement=judgement)


def _cut_off(kind: RoundKind) -> Round:
    return Round(3, kind, RunState.INTERRUPTED, "cut off")


def _timed(minutes: int, cost_usd: float | None = None) -> Round:
    usage = {"input_tokens": 1, "output_tokens": 1, "cost_usd": cost_usd}
    return Round(
        1,
        RoundKind.WORK,
        RunState.SUCCEEDED,
        "task",
        "did it",
        usage=usage,
        started_at=0,
        finished_at=60_000 * minutes,
    )


@pytest.mark.parametrize(
    ("history", "number", "prompt", "goes_on"),
    [
        pytest.param([], 1, "task", False, id="nothing-done"),
        pytest.param([_cut_off(RoundKind.WORK)], 1, "task", True, id="first-work-cut-off"),
        pytest.param([_work(), _review(GO_ON)], 2, "write tests", False, id="review-says-go-on"),
        pytest.param(
            [_work(), _review(GO_ON), _cut_off(RoundKind.WORK)],
            2,
            "write tests",
            True,
            id="second-work-cut-off",
        ),
        pytest.param(
            [_work(), _review(UNCLEAR), _review(GO_ON)], 2, "write tests", False, id="second-try-of-a-review"
        ),
        pytest.param(
            [_work("half", RunState.TIMED_OUT), _review(GO_ON)], 2, "write tests", False, id="work-timed-out"
        ),
    ],
)
def test_loop_works_on_when_work_is_what_is_missing(
    history: list[Round], number: int, prompt: str, goes_on: bool
) -> None:
    """The next round of work follows from the rounds that ended; one that was cut off is begun again."""
    assert next_step("task", history, BOUNDS) == DoWork(number, prompt, goes_on)


@pytest.mark.parametrize(
    ("history", "number", "again"),
    [
        pytest.param([_work()], 1, False, id="work-done"),
        pytest.param([_work("")], 1, False, id="work-done-in-silence"),
        pytest.param([_work("half", RunState.FAILED)], 1, False, id="failed-with-partial-output"),
        pytest.param([_work(), _cut_off(RoundKind.REVIEW)], 1, False, id="review-cut-off"),
        pytest.param([_work(), _review(UNCLEAR)], 1, True, id="review-unreadable"),
        pytest.param([_work(), _review(GO_ON), _work()], 2, False, id="second-work-done"),
        pytest.param(
            [_work(), _review(UNCLEAR), _cut_off(RoundKind.REVIEW)], 1, True, id="second-try-cut-off"
        ),
    ],
)
def test_loop_reviews_what_was_worked(history: list[Round], number: int, again: bool) -> None:
    """Work that said anything or ended well is reviewed; a review that failed is asked for once more."""
    step = next_step("task", history, BOUNDS)
    assert isinstance(step, DoReview)
    assert (step.number, step.again, step.work) == (
        number,
        again,
        [one for one in history if one.output or one.kind is RoundKind.WORK][-1],
    )


DONE = Complete("all there")
ROUNDS_TO_THE_LIMIT = [_work(), _review(GO_ON), _work(), _review(GO_ON), _work("last"), _review(GO_ON)]


@pytest.mark.parametrize(
    ("history", "state", "output", "reason", "code"),
    [
        pytest.param([_work(), _review(DONE)], RunState.SUCCEEDED, "did it", None, None, id="complete"),
        pytest.param(
            [_work("half", RunState.FAILED, code="agent_failed"), _review(DONE)],
            RunState.FAILED,
            "half",
            "it is failed",
            "agent_failed",
            id="complete-but-the-agent-failed",
        ),
        pytest.param(
            [_work("", RunState.TIMED_OUT, code="idle_timeout")],
            RunState.TIMED_OUT,
            "",
            "it is timed_out",
            "idle_timeout",
            id="work-failed-in-silence",
        ),
        pytest.param(
            [_work("first"), _review(GO_ON), _work("", RunState.FAILED)],
            RunState.FAILED,
            "first",
            "it is failed",
            "agent_failed",
            id="later-work-failed-in-silence",
        ),
        pytest.param(
            [_work(), _review(Blocked("no permission"))],
            RunState.FAILED,
            "did it",
            "Blocked: no permission",
            "blocked",
            id="blocked",
        ),
        pytest.param(
            [_work(), _review(UNCLEAR), _review(UNCLEAR)],
            RunState.FAILED,
            "did it",
            "The work could not be reviewed. no verdict",
            "unreviewed",
            id="unreadable-twice",
        ),
        pytest.param(
            ROUNDS_TO_THE_LIMIT,
            RunState.EXHAUSTED,
            "last",
            "Not finished after 3 rounds: tests are missing",
            "exhausted",
            id="rounds-used-up",
        ),
    ],
)
def test_loop_stops_with_the_truth(
    history: list[Round], state: RunState, output: str, reason: str | None, code: str | None
) -> None:
    """Only a review that says complete of work that ended well is success; the output is kept in any case."""
    step = next_step("task", history, BOUNDS)
    assert isinstance(step, Stop)
    verdict = step.verdict
    assert (verdict.state, verdict.output, verdict.reason, verdict.error_code) == (
        state,
        output,
        reason,
        code,
    )


def test_loop_with_the_last_round_complete_succeeds() -> None:
    """The work of the last round is reviewed too, so that it may be found complete."""
    step = next_step("task", [*ROUNDS_TO_THE_LIMIT[:-1], _review(DONE)], BOUNDS)
    assert isinstance(step, Stop)
    assert step.verdict.state is RunState.SUCCEEDED


@pytest.mark.parametrize(
    ("budget", "history", "state", "reason"),
    [
        pytest.param(
            Budget(minutes=10),
            [_timed(10)],
            RunState.EXHAUSTED,
            "Not finished, its budget of 10 min is used up.",
            id="minutes",
        ),
        pytest.param(
            Budget(minutes=10),
            [_timed(4), _review(GO_ON), _timed(6)],
            RunState.EXHAUSTED,
            "Not finished, its budget of 10 min is used up: tests are missing",
            id="minutes-of-all-rounds",
        ),
        pytest.param(
            Budget(usd=1),
            [_timed(1, 1.25)],
            RunState.EXHAUSTED,
            "Not finished, its budget of $1 is used up ($1.25 spent).",
            id="money",
        ),
        pytest.param(
            Budget(usd=1),
            [_timed(1, None)],
            RunState.FAILED,
            "What the agent has used is not known, so its money budget cannot be kept.",
            id="money-unknown",
        ),
    ],
)
def test_loop_begins_nothing_once_a_budget_is_used_up(
    budget: Budget, history: list[Round], state: RunState, reason: str
) -> None:
    """The reason names the budget, and the output is kept."""
    step = next_step("task", history, Bounds(2, budget))
    assert isinstance(step, Stop)
    verdict = step.verdict
    assert (verdict.state, verdict.reason, verdict.error_code) == (state, reason, "budget")
    assert verdict.output == "did it"


def test_loop_that_is_complete_at_the_end_of_its_budget_succeeds() -> None:
    """A budget ends what would still be begun, not what is done."""
    step = next_step("task", [_timed(10), _review(DONE)], Bounds(2, Budget(minutes=10)))
    assert isinstance(step, Stop)
    assert step.verdict.state is RunState.SUCCEEDED


def test_loop_within_its_budgets_goes_on() -> None:
    """Budgets that are not used up change nothing."""
    assert isinstance(next_step("task", [_timed(9, 0.5)], Bounds(2, Budget(10, 1.0))), DoReview)


@pytest.mark.parametrize(
    ("history", "iterations", "justification", "original"),
    [
        pytest.param([], 0, None, None, id="nothing-done"),
        pytest.param([_work(), _review(DONE)], 0, "all there", None, id="first-output-passes"),
        pytest.param(
            [_work("one"), _review(GO_ON), _work("two"), _review(DONE)],
            1,
            "all there",
            "one",
            id="one-resume",
        ),
        pytest.param(
            [_work(), _review(GO_ON), _cut_off(RoundKind.WORK)], 1, "tests are missing", None, id="cut-off"
        ),
        pytest.param(
            [_work(), _review(GO_ON), _cut_off(RoundKind.WORK), _work("two")],
            1,
            "tests are missing",
            "did it",
            id="cut-off-round-counts-once",
        ),
    ],
)
def test_report_counts_rounds_after_the_first(
    history: list[Round], iterations: int, justification: str | None, original: str | None
) -> None:
    """Resumed rounds are counted, each once; the first output is told when a later one gave the answer."""
    report = loop.report_of(history, 2, RunReport(branch="feature"))
    assert report == RunReport(
        iterations=iterations,
        max_iterations=2,
        justification=justification,
        original_output=original,
        branch="feature",
    )


def test_worker_without_a_session_is_told_its_rounds_and_no_review() -> None:
    """What the worker was told and said is its context; what a reviewer said is not."""
    history = [_work("one"), _review(GO_ON), _cut_off(RoundKind.WORK)]
    assert loop.turns_of(history) == [Turn("user", "task"), Turn("assistant", "one")]


@pytest.mark.parametrize(
    ("options", "bounds"),
    [
        pytest.param(RunOptions(), Bounds(2, Budget(10, 1.0)), id="settings"),
        pytest.param(RunOptions(max_rounds=0), Bounds(0, Budget(10, 1.0)), id="no-further-round"),
        pytest.param(
            RunOptions(max_rounds=7, budget_minutes=3, budget_usd=2), Bounds(7, Budget(3, 2)), id="caller"
        ),
    ],
)
def test_bounds_are_the_callers_else_the_settings(options: RunOptions, bounds: Bounds) -> None:
    """A caller's wish goes before the installation's."""
    assert loop.bounds_of(options, Bounds(2, Budget(10, 1.0))) == bounds


def test_heading_names_round_and_phase() -> None:
    """People see where the loop stands."""
    assert loop.heading(2, RoundKind.REVIEW, Bounds(4)) == "🔁 Round 2 of 5, review"
