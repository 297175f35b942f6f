"""What a loop may spend."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wireroom.errors import BadInput, SettingsError
from wireroom.runs.budget import Budget, Price, price_of, priced, read_prices, summed, unpriced
from wireroom.runs.loop import Bounds
from wireroom.runs.loop_policy import LoopPolicy, refuse_unpriced
from wireroom.runs.options import RunOptions

PRICES = {"gpt": Price(input=1.0, output=10.0), "cursor": Price(input=3.0, output=15.0)}


def test_prices_are_read_from_the_setting() -> None:
    """The table is JSON; no text is no table."""
    assert read_prices('{"gpt": {"input": 1, "output": 10.0}}') == {"gpt": Price(1.0, 10.0)}
    assert read_prices("  ") == {}


@pytest.mark.parametrize(
    "setting",
    [
        pytest.param("3", id="no-table"),
        pytest.param("{", id="no-json"),
        pytest.param('{"gpt": {"input": 1}}', id="half-a-price"),
        pytest.param('{"gpt": {"input": "1", "output": 1}}', id="text"),
        pytest.param('{"gpt": {"input": -1, "output": 1}}', id="negative"),
        pytest.param('{"gpt": {"input": 1, "ouput": 1, "output": 1}}', id="misspelt"),
    ],
)
def test_prices_that_are_none_name_the_setting(setting: str) -> None:
    """A wrong table stops the start and says which variable is wrong."""
    with pytest.raises(SettingsError, match="WIREROOM_PRICES"):
        read_prices(setting)


@pytest.mark.parametrize(
    ("model", "backend", "price"),
    [
        pytest.param("gpt", "codex", PRICES["gpt"], id="by-model"),
        pytest.param(None, "cursor", PRICES["cursor"], id="own-choice-of-a-back-end"),
        pytest.param("other", "cursor", None, id="another-model-of-the-back-end"),
        pytest.param(None, "codex", None, id="unknown"),
    ],
)
def test_price_is_the_models_or_the_back_ends(model: str | None, backend: str, price: Price | None) -> None:
    """A named model needs its own price; a back end that chooses itself has one under its name."""
    assert price_of(PRICES, model, backend) == price


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        pytest.param(
            {"input_tokens": 1_000_000, "output_tokens": 100_000, "cost_usd": None}, 2.0, id="tokens"
        ),
        pytest.param({"input_tokens": 1, "output_tokens": 1, "cost_usd": 0.5}, 0.5, id="told-by-the-agent"),
        pytest.param({}, None, id="nothing-told"),
    ],
)
def test_cost_is_told_or_follows_from_tokens(usage: dict[str, Any], cost: float | None) -> None:
    """The agent's own word goes before the table."""
    assert priced(usage, PRICES["gpt"]).get("cost_usd") == cost


def test_cost_without_a_price_stays_unknown() -> None:
    """No price, no cost: never zero."""
    assert priced({"input_tokens": 5, "cost_usd": None}, None)["cost_usd"] is None


def test_sum_of_usage_has_a_cost_only_if_each_part_has() -> None:
    """An unknown cost is not counted as nothing."""
    known = {"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.25}
    unknown = {"input_tokens": 10, "output_tokens": 20, "cost_usd": None}
    assert summed([known, {}, known]) == {"input_tokens": 2, "output_tokens": 4, "cost_usd": 0.5}
    assert summed([known, unknown]) == {"input_tokens": 11, "output_tokens": 22, "cost_usd": None}
    assert summed([{}]) == {}


@pytest.mark.parametrize(
    ("budget", "callees", "named"),
    [
        pytest.param(Budget(usd=None), [("other", "codex")], None, id="no-budget"),
        pytest.param(Budget(usd=1), [("gpt", "codex"), (None, "cursor")], None, id="all-priced"),
        pytest.param(Budget(usd=1), [(None, "claude")], None, id="tells-its-cost"),
        pytest.param(Budget(usd=1), [("gpt", "codex"), ("other", "codex")], "'other'", id="model"),
        pytest.param(Budget(usd=1), [(None, "codex")], "'codex'", id="back-end"),
    ],
)
def test_money_budget_needs_a_price_for_everyone(
    budget: Budget, callees: list[tuple[str | None, str]], named: str | None
) -> None:
    """The reason names who has no price, and where prices stand."""
    reason = unpriced(budget, PRICES, callees)
    if named is None:
        assert reason is None
    else:
        assert reason is not None
        assert named in reason
        assert "WIREROOM_PRICES" in reason


POLICY = LoopPolicy(prices=PRICES, model="gpt")


@pytest.mark.parametrize(
    ("policy", "options", "is_kept"),
    [
        pytest.param(POLICY, RunOptions(budget_usd=1), True, id="model-of-the-settings"),
        pytest.param(POLICY, RunOptions(budget_usd=1, model="other"), False, id="model-of-the-caller"),
        pytest.param(POLICY, RunOptions(model="other"), True, id="no-budget"),
        pytest.param(POLICY, RunOptions(budget_usd=1, reviewer="cursor"), True, id="priced-reviewer"),
        pytest.param(POLICY, RunOptions(budget_usd=1, reviewer="gemini"), False, id="unpriced-reviewer"),
        pytest.param(
            replace(POLICY, bounds=Bounds(5, Budget(usd=1)), reviewer="gemini"),
            RunOptions(),
            False,
            id="all-by-settings",
        ),
    ],
)
def test_loop_whose_money_cannot_be_counted_is_refused(
    policy: LoopPolicy, options: RunOptions, is_kept: bool
) -> None:
    """The request of a caller is refused before anything is stored, for worker and reviewer alike."""
    if is_kept:
        refuse_unpriced(policy, options, "codex")
        return
    with pytest.raises(BadInput, match="WIREROOM_PRICES"):
        refuse_unpriced(policy, options, "codex")
