"""Which runs are not worked on again, and what is said of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wireroom.clock import to_ms
from wireroom.runs.agent_call import RunPolicy
from wireroom.runs.limits import Limits
from wireroom.runs.records import Standing
from wireroom.runs.settled import settled_already

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
AGO = {minutes: to_ms(NOW - timedelta(minutes=minutes)) for minutes in (60, 61)}


def _standing(
    interruptions: int = 0, *, cancel_wanted: bool = False, waits_since: int | None = None
) -> Standing:
    return Standing(interruptions, (), interruptions, cancel_wanted=cancel_wanted, waits_since=waits_since)


def _policy(*, resumes: bool = True, queue_wait: timedelta | None = None) -> RunPolicy:
    return RunPolicy(Limits(), resume_interrupted=resumes, max_interruptions=2, queue_wait=queue_wait)


@pytest.mark.parametrize(
    ("standing", "policy", "code"),
    [
        pytest.param(_standing(), _policy(), None, id="new"),
        pytest.param(_standing(cancel_wanted=True), _policy(), "cancelled", id="stopped"),
        pytest.param(
            _standing(waits_since=AGO[61]), _policy(queue_wait=HOUR), "queue_timeout", id="too-late"
        ),
        pytest.param(_standing(waits_since=AGO[60]), _policy(queue_wait=HOUR), None, id="just-in-time"),
        pytest.param(_standing(waits_since=AGO[61]), _policy(), None, id="no-limit"),
        pytest.param(_standing(1), _policy(queue_wait=HOUR), None, id="has-begun"),
        pytest.param(_standing(2), _policy(), None, id="cut-off-twice"),
        pytest.param(_standing(3), _policy(), "interrupted", id="cut-off-too-often"),
        pytest.param(_standing(1), _policy(resumes=False), "interrupted", id="not-resumed"),
    ],
)
def test_run_is_settled_without_another_attempt(
    standing: Standing, policy: RunPolicy, code: str | None
) -> None:
    """A stopped, overdue or too often interrupted run ends as it is; every other one is worked on."""
    verdict = settled_already(standing, policy, NOW)
    assert (verdict.error_code if verdict else None) == code
