"""What a digest says of a day, read as a person sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from wireroom.delivery.render import render
from wireroom.digest.due import since_last
from wireroom.digest.words import Calls, Ended, Figures, digest_words
from wireroom.runs.states import RunState

_SINCE, _UNTIL = datetime(2026, 6, 30, 16, tzinfo=UTC), datetime(2026, 7, 1, 16, tzinfo=UTC)
_HEAD = "📰 Tue 30 Jun 18:00 to Wed 01 Jul 18:00"
_DONE = Ended(RunState.SUCCEEDED, "add a *test*", worked_ms=90_000, cost_usd=0.5)


def _told(**figures: object) -> list[str]:
    words = digest_words(Figures(_SINCE, _UNTIL, **figures), ZoneInfo("Europe/Warsaw"))  # type: ignore[arg-type] # by name
    return [line for line in render(words).text.splitlines() if line]


def test_digest_of_a_full_day() -> None:
    """Requests by how they ended and what they changed, the board, agents, what waits, and what it cost."""
    assert _told(
        chat=[
            _DONE,
            Ended(RunState.SUCCEEDED, "more", None, 30_000, 0.25, files=3, commits=2, branch="notes"),
            Ended(RunState.FAILED, "mend the *build*", "no compiler", 60_000),
            Ended(RunState.CANCELLED, "never mind"),
            Ended(RunState.JOINED, "and also"),
        ],
        board=[Ended(RunState.EXHAUSTED, "tidy up", "Not finished, 5 rounds", 3_600_000, 2.0)],
        others=[_DONE],
        calls=[Calls("nightly_report", 3, 1), Calls("ping", 24, 0)],
        questions=1,
        given_up=2,
    ) == [
        _HEAD,
        "This chat: 4 requests, 2 done, 1 failed, 1 stopped. 3 files changed, 2 commits on notes.",
        "• mend the *build*: no compiler",
        "The board: 1 task, 1 ran out of rounds, time or money.",
        "• tidy up: Not finished, 5 rounds",
        "Agents: nightly_report 3 (1 failed), ping 24.",
        "Waits for you: 1 question for permission, 2 tasks given up; /tasks lists them.",
        "Cost: $3.25 (2 did not tell), 64 agent minutes.",
    ]


def test_long_lists_are_cut_and_say_so() -> None:
    """Of many failures and agents the first five are named."""
    told = _told(
        chat=[Ended(RunState.FAILED, f"try {number}", "x" * 300) for number in range(7)],
        calls=[Calls(f"a{number}", 1, 0) for number in range(8)],
    )
    assert sum(line.startswith("• try") for line in told) == 5
    assert "• and 2 more" in told
    assert all(len(line) < 200 for line in told)
    assert "Agents: a0 1, a1 1, a2 1, a3 1, a4 1 and 3 more agents." in told


@pytest.mark.parametrize(
    ("figures", "is_empty"),
    [
        ({}, True),
        ({"questions": 1, "given_up": 4}, True),
        ({"chat": [Ended(RunState.JOINED, "and also")]}, True),
        ({"chat": [_DONE]}, False),
        ({"board": [_DONE]}, False),
        ({"calls": [Calls("ping", 0, 1)]}, False),
    ],
    ids=["nothing", "only what waits since before", "part of another", "a request", "a task", "an agent"],
)
def test_day_is_empty_when_nothing_was_done(figures: dict[str, object], is_empty: bool) -> None:
    """What only goes on waiting is no reason for a digest."""
    assert Figures(_SINCE, _UNTIL, **figures).is_empty is is_empty  # type: ignore[arg-type] # by name


def test_digest_of_an_empty_day_says_so() -> None:
    """For those who want one on every day, and for `/digest now`."""
    assert _told() == [_HEAD, "Nothing was done, and nothing waits for you."]
    assert _told(given_up=1)[1:] == [
        "Waits for you: 1 task given up; /tasks lists them.",
        "Cost: $0.00, 0 agent minutes.",
    ]


@pytest.mark.parametrize(
    ("told", "late_days", "since"),
    [
        (None, 0, datetime(2026, 6, 30, 16, tzinfo=UTC)),
        (None, 2, datetime(2026, 6, 28, 16, tzinfo=UTC)),
        (datetime(2026, 6, 28, 16, tzinfo=UTC), 2, datetime(2026, 6, 28, 16, tzinfo=UTC)),
        (datetime(2026, 1, 1, tzinfo=UTC), 0, datetime(2026, 6, 24, 16, tzinfo=UTC)),
    ],
    ids=["the first", "the first, late", "after days that were missed", "after a long time"],
)
def test_digest_tells_since_the_last_one(told: datetime | None, late_days: int, since: datetime) -> None:
    """Missed days are told of together, at most a week; the first begins a day before it was due."""
    told_ms = None if told is None else round(told.timestamp() * 1000)
    assert since_last(told_ms, _UNTIL - timedelta(days=late_days), _UNTIL) == since
