"""When Redis is asked, and how often it is looked for."""

from __future__ import annotations

import pytest

from wireroom.redis.breaker import Breaker, BreakerRule, Failure

RULE = BreakerRule(patience=2, first_pause_seconds=0.1, longest_pause_seconds=5.0)


def test_lost_connection_opens_at_once() -> None:
    """The client has tried again already: there is nothing to be patient for."""
    assert Breaker().failed(RULE, Failure.LOST, "refused") == Breaker(is_open=True, reason="refused")


def test_late_replies_are_borne_for_a_while() -> None:
    """Two late replies in a row are borne, the third opens; a good one in between begins the count anew."""
    late = Breaker()
    for _ in range(2):
        late = late.failed(RULE, Failure.LATE, "slow")
        assert not late.is_open
    assert not late.succeeded().failed(RULE, Failure.LATE, "slow").is_open
    assert late.failed(RULE, Failure.LATE, "slow").is_open


def test_open_breaker_is_closed_by_no_straggler() -> None:
    """A reply that was asked for before it opened says nothing of now; a further failure changes nothing."""
    opened = Breaker(is_open=True, reason="refused", probes=3)

    assert opened.succeeded() is opened
    assert opened.failed(RULE, Failure.LATE, "slow") is opened


@pytest.mark.parametrize(
    ("probes", "jitter", "seconds"),
    [(0, 0.0, 0.1), (1, 0.0, 0.2), (3, 0.5, 1.2), (6, 0.0, 5.0), (400, 1.0, 10.0)],
)
def test_probes_become_rarer_up_to_a_bound(probes: int, jitter: float, seconds: float) -> None:
    """The pause doubles with each failed probe up to the longest, and jitter adds its share."""
    breaker = Breaker(is_open=True)
    for _ in range(probes):
        breaker = breaker.probe_failed("refused")

    assert breaker.pause_seconds(RULE, jitter) == pytest.approx(seconds)
