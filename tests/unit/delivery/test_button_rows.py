"""Buttons stand beside each other as far as a phone shows their words."""

from __future__ import annotations

import pytest

from wireroom.delivery.outbox import Button, rows_of
from wireroom.runs.answer_buttons import answer_buttons
from wireroom.runs.states import RunState

_MOST_BYTES = 64


@pytest.mark.parametrize(
    ("texts", "rows"),
    [
        ([], []),
        (["a" * 40], [1]),
        (["a" * 15, "b" * 15], [2]),
        (["a" * 15, "b" * 16], [1, 1]),
        (["a" * 10, "b" * 10, "c" * 10, "d"], [3, 1]),
        (["a" * 40, "b", "c"], [1, 2]),
    ],
)
def test_buttons_share_a_row_while_there_is_room(texts: list[str], rows: list[int]) -> None:
    """A row holds thirty characters, and at least one button; the order stays."""
    found = rows_of([Button(text, "w:x:1") for text in texts])
    assert [len(row) for row in found] == rows
    assert [button.text for row in found for button in row] == texts


@pytest.mark.parametrize("state", [state for state in RunState if state.is_final])
@pytest.mark.parametrize("has_diff", [True, False])
def test_every_answer_offers_to_go_on(state: RunState, *, has_diff: bool) -> None:
    """The same four however a run ended, the diff where there is one; each fits Telegram's 64 bytes."""
    found = answer_buttons("run_" + "x" * 26, state, has_diff=has_diff)
    actions = [button.data.split(":")[1] for button in found]
    assert actions == ["retry", "continue", *(["diff"] if has_diff else []), "new"]
    assert all(len(button.data.encode()) <= _MOST_BYTES for button in found)
