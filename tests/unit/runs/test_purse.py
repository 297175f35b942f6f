"""What a single call may take: the limits it works within, and how it ends when its money is gone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from wireroom.backends.protocol import AgentEvent, AgentResult, EventKind
from wireroom.runs.budget import Budget
from wireroom.runs.limits import Ending, Limits
from wireroom.runs.options import RunOptions
from wireroom.runs.purse import Purse, call_budget, limits_within
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.verdict import Verdict

_SAID = Verdict(RunState.CANCELLED, "half of it", "Stopped on request.", None, "cancelled")


def _usage(cost: float | None) -> AgentEvent:
    return AgentEvent(EventKind.USAGE, {"input_tokens": 1, "output_tokens": 1, "cost_usd": cost})


@pytest.mark.parametrize(
    ("mode", "options", "expected"),
    [
        (RunMode.EXECUTE, RunOptions(budget_minutes=5, budget_usd=2), Budget(5, 2)),
        (RunMode.EXECUTE, RunOptions(budget_minutes=0, budget_usd=0), Budget()),
        (RunMode.ITERATE, RunOptions(budget_minutes=5, budget_usd=2), Budget()),
    ],
    ids=["single call", "zero is none", "a loop counts itself"],
)
def test_call_has_the_budget_of_its_run(mode: RunMode, options: RunOptions, expected: Budget) -> None:
    """A single call has its run's whole budget; the calls of a loop are not cut off."""
    assert call_budget(mode, options) == expected


@pytest.mark.parametrize(("minutes", "hard"), [(None, 30), (5.0, 5), (90.0, 30)])
def test_minutes_shorten_the_hard_limit_and_never_lengthen_it(minutes: float | None, hard: int) -> None:
    """The installation's limit holds for everybody."""
    limits = Limits(hard=timedelta(minutes=30))
    assert limits_within(Budget(minutes), limits).hard == timedelta(minutes=hard)


def test_purse_gets_empty_once() -> None:
    """The event that reaches the budget stops the call; what comes later, or tells no cost, does not."""
    purse = Purse(0.5)
    costs = (None, 0.4, 0.5, 0.6)
    assert [purse.take(_usage(cost)) for cost in costs] == [False, False, True, False]
    assert not Purse(None).take(_usage(1e9))
    assert not Purse(0.1).take(AgentEvent(EventKind.TEXT, {"text": "cost_usd"}))


@pytest.mark.parametrize(
    ("cost", "ending", "spent", "state"),
    [
        (0.5, Ending.CANCELLED, False, RunState.EXHAUSTED),
        (0.5, Ending.EXITED, False, RunState.CANCELLED),
        (0.1, Ending.CANCELLED, False, RunState.CANCELLED),
        (0.1, Ending.EXITED, True, RunState.EXHAUSTED),
    ],
    ids=["stopped by us", "ended by itself", "stopped for another reason", "heeded by the agent"],
)
def test_call_without_money_is_exhausted(cost: float, ending: Ending, spent: bool, state: RunState) -> None:
    """Only a call that its budget ended is told of as such, with what was said until then."""
    purse = Purse(0.5)
    purse.take(_usage(cost))
    verdict = purse.settle(_SAID, ending, AgentResult("", is_error=True, budget_spent=spent))
    assert (verdict.state, verdict.output) == (state, "half of it")
    assert (verdict.error_code == "budget") == (state is RunState.EXHAUSTED)
    assert ("$0.5" in str(verdict.reason)) == (state is RunState.EXHAUSTED)
