"""What a chat's requests may cost: how people say it, and whether another one fits into the day. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wireroom.conversations.chat_settings import ChatSettings
from wireroom.errors import BadInput

USAGE = (
    "Change it with `/budget 2 usd` or `/budget 20 minutes` for each request, `/budget 10 usd a day` for all"
    " of a day, `/budget default` for no limits of this chat's own."
)
_WISH = re.compile(
    r"\$?\s*(?P<amount>\d{1,6}(?:[.,]\d{1,2})?)\s*(?P<unit>\$|usd|dollars?|m|min|minutes?)"
    r"\s*(?P<daily>/\s*day|an?\s+day|per\s+day|daily)?"
)
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a chat."""

    date: str
    """YYYY-MM-DD, on the chat's clock."""
    spent_usd: float = 0.0
    unknown: int = 0
    """Requests that ended without telling what they cost."""


def read_budget(text: str) -> Mapping[str, float]:
    """Return which field of `ChatSettings` is to become what, for words such as `2 usd` or `10 usd a day`.

    Raises:
        BadInput: they cannot be read, or are no limit.
    """
    found = _WISH.fullmatch(text.strip().lower())
    if found is None:
        raise BadInput(f"I cannot read that. {USAGE}")
    amount = float(found["amount"].replace(",", "."))
    is_money = not found["unit"].startswith("m")
    if found["daily"] and not is_money:
        raise BadInput(f"A day has a limit of money alone. {USAGE}")
    if not amount or (not is_money and amount > _DAY_MINUTES):
        raise BadInput(f"That is no limit. {USAGE}")
    return {("day_usd" if found["daily"] else "run_usd") if is_money else "run_minutes": amount}


def limit_of(chosen: ChatSettings, date: str) -> float | None:
    """Return what the day may cost, US dollars; None without a limit."""
    if chosen.day_usd is None:
        return None
    return max(chosen.day_usd, chosen.raised_usd) if chosen.raised_on == date else chosen.day_usd


def is_used_up(chosen: ChatSettings, day: Day) -> bool:
    """Tell whether no further request fits into the day."""
    limit = limit_of(chosen, day.date)
    return limit is not None and day.spent_usd >= limit


def raised_limit(chosen: ChatSettings, day: Day) -> float:
    """Return what the day's limit is to be raised to: by whole steps of the limit, beyond what was spent.

    limit = (floor(spent / day_usd) + 1) * day_usd
    """
    step = chosen.day_usd or 1.0
    return round((day.spent_usd // step + 1) * step, 2)


def day_of(date: str, usages: Sequence[Mapping[str, Any] | None]) -> Day:
    """Return what the day's requests have cost, from what each of them told; None told nothing."""
    costs = [usage.get("cost_usd") if usage else None for usage in usages]
    return Day(date, sum(cost for cost in costs if cost is not None), costs.count(None))


def budget_words(chosen: ChatSettings, day: Day) -> str:
    """Return the limits and what was spent, in one line."""
    each = [
        f"${chosen.run_usd:g}" if chosen.run_usd else "",
        f"{chosen.run_minutes:g} min" if chosen.run_minutes else "",
    ]
    limit = limit_of(chosen, day.date)
    parts = [
        f"each request {' and '.join(filter(None, each))}" if any(each) else "",
        f"${limit:g} a day{' (raised for today)' if limit != chosen.day_usd else ''}" if limit else "",
    ]
    return ", ".join(filter(None, parts)) or "no limits of this chat's own"


def spent_words(day: Day) -> str:
    """Return what was spent today."""
    unknown = f", and {day.unknown} ended without telling" if day.unknown else ""
    return f"${day.spent_usd:.2f}{unknown}"


def used_up_words(chosen: ChatSettings, day: Day) -> str:
    """Return why a request is not taken."""
    return (
        f"💸 Today's budget of this chat is used up: {spent_words(day)} of"
        f" ${limit_of(chosen, day.date):.2f}. I have kept your request and do nothing with it, until the"
        " budget is raised for today. Tomorrow there is a new one."
    )
