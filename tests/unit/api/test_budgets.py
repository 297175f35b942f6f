"""How many requests a caller may make."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wireroom.api.budgets import Budget, Ledger, judge

SIX_A_MINUTE = Budget(6)


def test_budget_may_be_spent_at_once() -> None:
    """Six requests of the same moment pass, the seventh does not."""
    ledger = Ledger(SIX_A_MINUTE)
    verdicts = [ledger.charge("a", 100.0) for _ in range(7)]
    assert [verdict.may_pass for verdict in verdicts] == [True] * 6 + [False]
    assert [verdict.remaining for verdict in verdicts] == [5, 4, 3, 2, 1, 0, 0]


@example(now=1004.1, budget=Budget(1, 6000.0))
@given(
    now=st.floats(0, 1e8),
    budget=st.builds(Budget, st.integers(1, 60), st.floats(1, 86_400)),
)
def test_no_moment_costs_a_caller_a_request(now: float, budget: Budget) -> None:
    """Whatever the clock shows, the whole budget passes at once, and one more does not."""
    ledger = Ledger(budget)
    passed = [ledger.charge("a", now).may_pass for _ in range(budget.requests + 1)]
    assert passed == [True] * budget.requests + [False]


def test_refused_request_is_told_when_the_next_one_passes() -> None:
    """The bucket empties evenly: a sixth of a minute for each request, and refusals cost nothing."""
    ledger = Ledger(SIX_A_MINUTE)
    for _ in range(6):
        ledger.charge("a", 100.0)
    refused = [ledger.charge("a", 104.0) for _ in range(50)][-1]
    assert refused.retry_seconds == pytest.approx(6.0)
    assert refused.reset_seconds == pytest.approx(56.0)
    assert ledger.charge("a", 110.0).may_pass
    assert not ledger.charge("a", 110.0).may_pass


def test_steady_caller_within_its_budget_always_passes() -> None:
    """One request each ten seconds is what six a minute means, for ever."""
    ledger = Ledger(SIX_A_MINUTE)
    assert all(ledger.charge("a", 10.0 * number).may_pass for number in range(1000))


def test_budget_is_whole_again_after_its_window() -> None:
    """A caller who was refused may spend all of it a minute later."""
    ledger = Ledger(SIX_A_MINUTE)
    for _ in range(9):
        ledger.charge("a", 100.0)
    assert ledger.charge("a", 160.0).remaining == 5


def test_callers_do_not_share_a_budget() -> None:
    """What one has spent the other still has."""
    ledger = Ledger(Budget(1))
    assert ledger.charge("a", 0.0).may_pass
    assert not ledger.charge("a", 0.0).may_pass
    assert ledger.charge("b", 0.0).may_pass


def test_ledger_forgets_who_came_least_recently() -> None:
    """Memory is bounded however many callers there are; who is forgotten has a whole budget again."""
    ledger = Ledger(Budget(1), most_callers=2)
    for caller in ("a", "b", "c"):
        ledger.charge(caller, 0.0)
    assert not ledger.charge("c", 0.0).may_pass
    assert ledger.charge("a", 0.0).may_pass


def test_a_clock_that_began_long_ago_is_no_debt() -> None:
    """A new caller is judged from now on."""
    verdict, empty_at = judge(SIX_A_MINUTE, 0.0, 1_000_000.0)
    assert (verdict.remaining, empty_at) == (5, 1_000_010.0)
