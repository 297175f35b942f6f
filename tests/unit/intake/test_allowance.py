"""What a chat's requests may cost: as people say it, and whether another one fits into the day."""

from __future__ import annotations

import pytest

from wireroom.conversations.chat_settings import ChatSettings
from wireroom.errors import BadInput
from wireroom.intake.allowance import (
    Day,
    budget_words,
    day_of,
    is_used_up,
    limit_of,
    raised_limit,
    read_budget,
    spent_words,
    used_up_words,
)

_TODAY = "2026-07-01"


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("2 usd", {"run_usd": 2.0}),
        ("$2.50 usd", {"run_usd": 2.5}),
        ("0,75$", {"run_usd": 0.75}),
        ("1 dollar", {"run_usd": 1.0}),
        ("20 minutes", {"run_minutes": 20.0}),
        ("5m", {"run_minutes": 5.0}),
        ("10 usd a day", {"day_usd": 10.0}),
        ("10 USD/day", {"day_usd": 10.0}),
        ("10 usd per day", {"day_usd": 10.0}),
        ("10usd daily", {"day_usd": 10.0}),
    ],
)
def test_budget_is_read_as_people_write_it(text: str, changes: dict[str, float]) -> None:
    """An amount with its unit is for each request, with a day it is for all of a day."""
    assert read_budget(text) == changes


@pytest.mark.parametrize(
    "text", ["", "10", "ten usd", "-5 usd", "0 usd", "20 minutes a day", "2000 minutes", "1e9 usd", "5 eur"]
)
def test_what_is_no_budget_is_refused_in_words(text: str) -> None:
    """A slip tells how it is written."""
    with pytest.raises(BadInput, match="/budget 2 usd"):
        read_budget(text)


@pytest.mark.parametrize(
    ("chosen", "spent", "used_up"),
    [
        (ChatSettings(), 1e6, False),
        (ChatSettings(day_usd=10), 9.99, False),
        (ChatSettings(day_usd=10), 10.0, True),
        (ChatSettings(day_usd=10, raised_usd=20, raised_on=_TODAY), 19.0, False),
        (ChatSettings(day_usd=10, raised_usd=20, raised_on=_TODAY), 20.0, True),
        (ChatSettings(day_usd=10, raised_usd=20, raised_on="2026-06-30"), 10.0, True),
        (ChatSettings(day_usd=30, raised_usd=20, raised_on=_TODAY), 25.0, False),
    ],
    ids=["no limit", "room", "reached", "raised", "raised, reached", "raised yesterday", "limit beyond it"],
)
def test_day_is_used_up_once_its_limit_is_reached(chosen: ChatSettings, spent: float, used_up: bool) -> None:
    """A limit that was raised counts for its own day alone."""
    assert is_used_up(chosen, Day(_TODAY, spent)) is used_up


@pytest.mark.parametrize(("spent", "limit"), [(10.0, 20.0), (10.4, 20.0), (20.0, 30.0), (57.0, 60.0)])
def test_limit_is_raised_by_whole_steps_beyond_what_was_spent(spent: float, limit: float) -> None:
    """There is room for another request afterwards, whatever one has cost beyond the limit."""
    assert raised_limit(ChatSettings(day_usd=10), Day(_TODAY, spent)) == limit


def test_day_adds_up_what_is_known() -> None:
    """Costs are summed; requests that tell none are counted and told of."""
    day = day_of(_TODAY, [{"cost_usd": 1.25}, {"cost_usd": None}, None, {"cost_usd": 0.5}])
    assert day == Day(_TODAY, 1.75, 2)
    assert spent_words(day) == "$1.75, and 2 ended without telling"
    assert spent_words(Day(_TODAY)) == "$0.00"


def test_budget_is_told_in_one_line() -> None:
    """Each limit that there is, a raised one as such."""
    assert budget_words(ChatSettings(), Day(_TODAY)) == "no limits of this chat's own"
    chosen = ChatSettings(run_usd=2, run_minutes=20, day_usd=10, raised_usd=20, raised_on=_TODAY)
    told = budget_words(chosen, Day(_TODAY))
    assert told == "each request $2 and 20 min, $20 a day (raised for today)"
    assert limit_of(chosen, "2026-07-02") == 10
    assert "$21.00 of $20.00" in used_up_words(chosen, Day(_TODAY, 21.0))
