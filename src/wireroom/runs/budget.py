"""What a loop may spend, and what it has spent: minutes and money. Pure.

An agent that tells what a call cost is believed; what others cost follows from their tokens and a table of
prices.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wireroom.errors import SettingsError

TELLS_COST = frozenset({"claude", "opencode"})
"""Back ends whose agents report the cost of a call themselves."""

_TOKENS_A_PRICE = 1_000_000


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model costs, in US dollars a million tokens."""

    input: float
    output: float


Prices = Mapping[str, Price]
"""By model; what a back end's own choice of model costs stands under the name of the back end."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one loop may take; None: no limit."""

    minutes: float | None = None
    usd: float | None = None


def read_prices(setting: str) -> Prices:
    """Return the price table of `WIREROOM_PRICES`; empty text is an empty table.

    Args:
        setting: JSON, US dollars a million tokens: `{"gpt-5.1": {"input": 1.25, "output": 10}}`.

    Raises:
        SettingsError: it is no such table, or a price is negative or no number.
    """
    if not setting.strip():
        return {}
    try:
        prices = msgspec.json.decode(setting, type=dict[str, Price])
    except (msgspec.DecodeError, UnicodeError) as error:
        raise SettingsError(f"WIREROOM_PRICES is no price table: {error}") from error
    for model, price in prices.items():
        if price.input < 0 or price.output < 0:
            raise SettingsError(f"WIREROOM_PRICES has a negative price for {model!r}.")
    return prices


def price_of(prices: Prices, model: str | None, backend: str) -> Price | None:
    """Return what the model costs, or without a model what the back end's own choice does; None: unknown."""
    return prices.get(model or backend)


def unpriced(budget: Budget, prices: Prices, callees: Iterable[tuple[str | None, str]]) -> str | None:
    """Return why a money budget cannot be kept, None when it can or there is none.

    Args:
        budget: What the loop may take.
        prices: The price table.
        callees: Model and back end of everyone who will be called.
    """
    if budget.usd is None:
        return None
    for model, backend in callees:
        if backend not in TELLS_COST and price_of(prices, model, backend) is None:
            name = f"The model {model!r}" if model else f"{backend!r}, which chooses its model itself,"
            return f"{name} has no price, so a money budget cannot be kept. Add it to WIREROOM_PRICES."
    return None


def priced(usage: Mapping[str, Any], price: Price | None) -> dict[str, Any]:
    """Return the usage with its `cost_usd`, where the agent has not told it but its tokens are known.

    cost_usd = (input_tokens * price.input + output_tokens * price.output) / 1,000,000
    """
    if price is None or usage.get("cost_usd") is not None or "input_tokens" not in usage:
        return dict(usage)
    tokens = (usage["input_tokens"] or 0) * price.input + (usage.get("output_tokens") or 0) * price.output
    return {**usage, "cost_usd": tokens / _TOKENS_A_PRICE}


def summed(usages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the sum of what calls used; `cost_usd` is None unless every call with tokens has one.

    Empty when no call told anything.
    """
    told = [usage for usage in usages if usage]
    if not told:
        return {}
    costs = [usage.get("cost_usd") for usage in told]
    return {
        "input_tokens": sum(usage.get("input_tokens") or 0 for usage in told),
        "output_tokens": sum(usage.get("output_tokens") or 0 for usage in told),
        "cost_usd": None if None in costs else sum(costs),
    }


def used_up(budget: Budget, *, spent_ms: int, spent_usd: float) -> str | None:
    """Return which part of the budget is used up, as a clause; None while there is some left of each."""
    if budget.minutes is not None and spent_ms >= budget.minutes * 60_000:
        return f"its budget of {budget.minutes:g} min is used up"
    if budget.usd is not None and spent_usd >= budget.usd:
        return f"its budget of ${budget.usd:g} is used up (${spent_usd:.2f} spent)"
    return None
