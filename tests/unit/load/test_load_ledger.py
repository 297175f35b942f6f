"""Promises against effects."""

from __future__ import annotations

import pytest

from wireroom.load.ledger import settle
from wireroom.load.samples import Promise


def _promise(token: str, *, acknowledged: bool = True) -> Promise:
    return Promise(token, 0.0, acknowledged)


@pytest.mark.parametrize(
    ("effects", "lost", "doubled"),
    [
        pytest.param({"a": 1, "b": 1}, (), (), id="each once"),
        pytest.param({"a": 1}, ("b",), (), id="one lost"),
        pytest.param({"a": 2, "b": 1}, (), ("a",), id="one doubled"),
        pytest.param({"a": 3}, ("b",), ("a",), id="one lost and one doubled"),
        pytest.param({"a": 1, "b": 1, "c": 9}, (), (), id="what nobody asked for is not ours"),
    ],
)
def test_settle_names_what_was_lost_or_doubled(
    effects: dict[str, int], lost: tuple[str, ...], doubled: tuple[str, ...]
) -> None:
    """An account names each token without an effect, and each with several."""
    account = settle("chat messages", [_promise("a"), _promise("b")], effects)

    assert (account.lost, account.doubled) == (lost, doubled)
    assert account.is_clean == (not lost and not doubled)


def test_settle_does_not_call_unacknowledged_ones_lost() -> None:
    """What was never acknowledged is not lost, whether it had its effect or not."""
    promises = [_promise("a", acknowledged=False), _promise("b", acknowledged=False)]

    account = settle("tasks", promises, {"b": 1})

    assert account.is_clean
    assert (account.acknowledged, account.unacknowledged, account.unacknowledged_but_kept) == (0, 2, 1)


def test_settle_counts_a_double_effect_of_a_refused_one() -> None:
    """Two effects are one too many, whatever the sender was told."""
    assert settle("callbacks", [_promise("a", acknowledged=False)], {"a": 2}).doubled == ("a",)


def test_account_says_how_it_stands() -> None:
    """The verdict has every number."""
    account = settle("callbacks", [_promise("a"), _promise("b"), _promise("c", acknowledged=False)], {"a": 1})

    assert account.verdict == (
        "2 callbacks acknowledged, 1 with their effect seen, 1 lost, 0 doubled, 1 unacknowledged"
    )
