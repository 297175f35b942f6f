"""Which call a fault hits, and when it is over."""

from __future__ import annotations

import pytest

from wireroom.testing.bot_api.faults import DropAfter, FaultPlan, FaultRule, Garble, Scope


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        (Scope(), True),
        (Scope("SENDMESSAGE"), True),
        (Scope("sendMessage", 7), True),
        (Scope("sendVoice"), False),
        (Scope(chat_id=8), False),
    ],
)
def test_scope_covers_a_method_and_a_chat(scope: Scope, covered: bool) -> None:
    """What is not named means any; case does not matter."""
    assert scope.covers("sendMessage", 7) is covered


def test_fault_plan_takes_the_first_that_means_the_call_and_uses_it_up() -> None:
    """Two counted faults follow each other, then the call is left alone."""
    plan = FaultPlan()
    plan.add(FaultRule(Garble(), Scope("sendMessage"), left=1, until=None))
    plan.add(FaultRule(DropAfter(), Scope(), left=1, until=None))
    assert [plan.take("sendMessage", 7, 0.0) for _ in range(3)] == [Garble(), DropAfter(), None]


def test_fault_plan_forgets_a_fault_whose_time_is_over() -> None:
    """A fault without a count lasts until its moment."""
    plan = FaultPlan()
    rule = plan.add(FaultRule(Garble(), Scope(), left=None, until=10.0))
    assert [plan.take("getMe", None, now) for now in (0.0, 9.9, 10.0)] == [Garble(), Garble(), None]
    assert rule.hits == 2
    assert plan.rules == []
