"""Who may lead, and for how long: tables of silences and what follows from them."""

from __future__ import annotations

import pytest

from wireroom.store.leadership import Evict, Holder, Lease, TryAgain, Wait, next_move, time_left

LEASE = Lease(touch_every=1.0, give_up_after=2.5, evict_after=3.0)


@pytest.mark.parametrize(
    ("holder", "move"),
    [
        (None, TryAgain()),
        (Holder(7, 0.0), Wait(1.0)),
        (Holder(7, 1.9), Wait(1.0)),
        (Holder(7, 2.75), Wait(0.25)),
        (Holder(7, 3.0), Evict(7)),
        (Holder(7, 60.0), Evict(7)),
    ],
    ids=["gone", "just touched", "a touch late", "nearly too long", "too long", "long dead"],
)
def test_candidate_bears_silence_for_as_long_as_the_lease_says(
    holder: Holder | None, move: TryAgain | Wait | Evict
) -> None:
    """A candidate waits while the leader may live, never past the moment from which it may not."""
    assert next_move(holder, LEASE) == move


@pytest.mark.parametrize(
    ("silent_for", "left"),
    [(0.0, 2.5), (1.0, 1.5), (2.5, 0.0), (3600.0, 0.0)],
    ids=["just touched", "one touch ago", "at the end", "stopped for an hour"],
)
def test_leader_has_time_until_its_lease_ends(silent_for: float, left: float) -> None:
    """A leader counts from its last answered touch, and never has less than no time."""
    assert time_left(100.0, 100.0 + silent_for, LEASE) == pytest.approx(left)


def test_leader_gives_up_before_a_candidate_may_take_over() -> None:
    """With the lease that everybody uses, two never lead because of a cut between them and the server."""
    lease = Lease()

    assert lease.touch_every < lease.give_up_after < lease.evict_after
    assert time_left(0.0, lease.evict_after, lease) == 0
