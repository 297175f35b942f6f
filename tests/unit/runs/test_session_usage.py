"""A call's own share of what its session has used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wireroom.backends.protocol import AgentResult
from wireroom.runs.session_usage import own_share

OLD, NEW = "s-1", "s-2"
KNOWN = {"input_tokens": 300, "output_tokens": 30}


def result(session_id: str | None, session_usage: Mapping[str, float], **usage: Any) -> AgentResult:
    """Return what a parser gives."""
    return AgentResult(
        "done", is_error=False, session_id=session_id, usage=usage, session_usage=session_usage
    )


@pytest.mark.parametrize(
    ("session_id", "resumed", "own"),
    [
        pytest.param(OLD, OLD, (200, 20), id="resumed"),
        pytest.param(None, OLD, (200, 20), id="resumed-and-not-named"),
        pytest.param(NEW, OLD, (500, 50), id="replaced"),
        pytest.param(NEW, None, (500, 50), id="new"),
    ],
)
def test_share_is_what_the_session_used_since_then(
    session_id: str | None, resumed: str | None, own: tuple[int, int]
) -> None:
    """What was known is subtracted only from the figures of the same session."""
    told = {"input_tokens": 500, "output_tokens": 50}
    known = KNOWN if resumed else {}
    share = own_share(result(session_id, told), resumed, known)
    assert share.usage == {"input_tokens": own[0], "output_tokens": own[1], "cost_usd": None}
    assert share.session_usage == told


@pytest.mark.parametrize(
    ("before", "now", "own"),
    [
        pytest.param(0.25, 0.75, 0.5, id="more"),
        pytest.param(0.25, 0.25, 0, id="nothing-more"),
        pytest.param(0.25, 0.125, 0.125, id="counted-anew"),
        pytest.param(0.25, 0, 0, id="zero"),
        pytest.param(0.25, -1, 0, id="below-zero"),
    ],
)
def test_share_is_never_below_zero(before: float, now: float, own: float) -> None:
    """A figure that has fallen counts from 0."""
    share = own_share(result(OLD, {"cost_usd": now}), OLD, {"cost_usd": before})
    assert share.usage["cost_usd"] == own
    assert share.session_usage["cost_usd"] == max(0, now)


def test_figures_of_the_call_itself_stay() -> None:
    """An agent may count its tokens by the call and its cost by the session."""
    told = result(OLD, {"cost_usd": 0.75}, input_tokens=7, output_tokens=5, cost_usd=None)
    share = own_share(told, OLD, {"cost_usd": 0.25})
    assert share.usage == {"input_tokens": 7, "output_tokens": 5, "cost_usd": 0.5}


def test_call_that_told_nothing_leaves_what_is_known() -> None:
    """The next call's share then holds what this one used; of a new session nothing is known."""
    silent = own_share(result(OLD, {}), OLD, KNOWN)
    assert (silent.usage, silent.session_usage) == ({}, KNOWN)
    assert own_share(result(NEW, {}), OLD, KNOWN).session_usage == {}


def test_shares_of_calls_in_one_session_add_up_to_its_figure() -> None:
    """Each call begins where the one before has left the figures, also where one was not told."""
    known: Any = {}
    shares = []
    for told in ({"input_tokens": 100}, {}, {"input_tokens": 250, "output_tokens": 9}, {"input_tokens": 300}):
        share = own_share(result(OLD, told), OLD, known)
        known = share.session_usage
        shares.append(share.usage.get("input_tokens"))
    assert shares == [100, None, 150, 50]
    assert known == {"input_tokens": 300, "output_tokens": 9}
