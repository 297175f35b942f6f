"""What follows from one try of a callback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from wireroom.callbacks.reaction import (
    Answered,
    Barred,
    GiveUp,
    Held,
    Later,
    NoAnswer,
    Reply,
    Sent,
    react,
    retry_policy,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT_ATTEMPTS = 20


def after(reply: Reply, attempts: int = 1, jitter: float = 0.0) -> Sent | Later | GiveUp:
    """Return what follows under the default policy."""
    return react(reply, retry_policy(DEFAULT_ATTEMPTS), attempts=attempts, now=NOW, jitter=jitter)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_is_sent(status: int) -> None:
    """Every 2xx means that the receiver has it."""
    assert after(Answered(status)) == Sent()


@pytest.mark.parametrize("status", [400, 401, 403, 405, 410, 413, 415, 422, 451, 499])
def test_refusal_is_final(status: int) -> None:
    """The receiver refuses this callback for what it is: it is a dead letter at once."""
    assert after(Answered(status)) == GiveUp(f"The receiver refuses it: HTTP {status}.")


@pytest.mark.parametrize("status", [404, 409])
def test_receiver_that_is_not_there_yet_is_tried_for_about_an_hour(status: int) -> None:
    """What a proxy answers during a deployment is no refusal, unless it stays."""
    waited = timedelta()
    for attempts in range(1, 12):
        later = after(Answered(status), attempts)
        assert isinstance(later, Later)
        waited += later.when - NOW
    assert timedelta(minutes=50) < waited < timedelta(minutes=60)
    assert after(Answered(status), 12) == GiveUp(f"The receiver refuses it: HTTP {status}.")


@pytest.mark.parametrize(
    "reply",
    [NoAnswer("gone"), *(Answered(status) for status in (301, 302, 307, 408, 425, 429, 500, 502, 503, 504))],
    ids=str,
)
def test_what_may_pass_is_tried_again(reply: Reply) -> None:
    """The waits double from two seconds, with jitter on top, until the tries are used up."""
    assert isinstance(after(reply), Later)
    waits = [after(reply, attempts) for attempts in range(1, 6)]
    assert [wait.when - NOW for wait in waits if isinstance(wait, Later)] == [
        timedelta(seconds=seconds) for seconds in (2, 4, 8, 16, 32)
    ]
    jittered = after(reply, jitter=0.2)
    assert isinstance(jittered, Later)
    assert jittered.when == NOW + timedelta(seconds=2.4)
    last = after(reply, DEFAULT_ATTEMPTS)
    assert isinstance(last, GiveUp)
    assert last.reason.endswith("That was try 20.")


def test_default_tries_last_for_hours() -> None:
    """A receiver that is down overnight's first hours still gets it: the tries go on for over three."""
    total = timedelta()
    for attempts in range(1, DEFAULT_ATTEMPTS):
        later = after(NoAnswer("gone"), attempts)
        assert isinstance(later, Later)
        assert later.when - NOW <= timedelta(minutes=20)
        total += later.when - NOW
    assert total > timedelta(hours=3)


@pytest.mark.parametrize(
    ("asked", "waited"), [(0.0, 2.0), (1.0, 2.0), (90.0, 90.0), (1e9, 3600.0), (float("inf"), 3600.0)]
)
def test_retry_after_is_honoured(asked: float, waited: float) -> None:
    """The receiver's wish lengthens a wait, never shortens it, and not beyond an hour."""
    later = after(Answered(503, asked))
    assert isinstance(later, Later)
    assert later.when == NOW + timedelta(seconds=waited)


def test_what_the_guard_bars_is_final() -> None:
    """It stays as a dead letter whose reason says what to set."""
    assert after(Barred("name x")) == GiveUp("name x")


@pytest.mark.parametrize(("attempts", "wait"), [(1, 9), (3, 9), (4, 16), (12, 1200)])
def test_held_host_is_tried_as_after_a_failed_try_but_not_before_it_is_free(attempts: int, wait: int) -> None:
    """The try counts, and the longer of both waits is the one."""
    assert after(Held(9.0, "held"), attempts) == Later(NOW + timedelta(seconds=wait), "held")


def test_nobody_gives_up_because_a_host_is_held() -> None:
    """The last try must be a real one: it is put off, as long as the one before, and does not count."""
    later = after(Held(9.0, "held"), DEFAULT_ATTEMPTS)
    assert later == Later(NOW + timedelta(minutes=20), "held", counts=False)
    once = react(Held(9.0, "held"), retry_policy(1), attempts=1, now=NOW, jitter=0.0)
    assert once == Later(NOW + timedelta(seconds=9), "held", counts=False)
