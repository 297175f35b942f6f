"""How neighbouring pieces of text become one event."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.runs.event_log import merge_texts


def _text(text: str) -> AgentEvent:
    return AgentEvent(EventKind.TEXT, {"text": text})


def _thought(text: str) -> AgentEvent:
    return AgentEvent(EventKind.THOUGHT, {"text": text})


NOTICE = AgentEvent(EventKind.NOTICE, {"text": "n"})


@pytest.mark.parametrize(
    ("events", "merged"),
    [
        pytest.param([], [], id="none"),
        pytest.param([_text("a")], [_text("a")], id="one"),
        pytest.param([_text("a"), _text("b"), _text("c")], [_text("abc")], id="neighbours"),
        pytest.param([_text("a"), _thought("b")], [_text("a"), _thought("b")], id="kinds-stay-apart"),
        pytest.param([_thought("a"), _thought("b")], [_thought("ab")], id="thoughts"),
        pytest.param([_text("a"), NOTICE, _text("b")], [_text("a"), NOTICE, _text("b")], id="order-stays"),
        pytest.param([NOTICE, NOTICE], [NOTICE, NOTICE], id="notices-stay-apart"),
    ],
)
def test_only_neighbouring_text_of_one_kind_is_joined(
    events: list[AgentEvent], merged: list[AgentEvent]
) -> None:
    """Pieces of answer join, pieces of thought join, nothing else does."""
    assert merge_texts(events) == merged


@given(st.lists(st.sampled_from([_text("a"), _text("b"), _thought("c"), NOTICE]), max_size=12))
def test_merging_loses_nothing_and_happens_once(events: list[AgentEvent]) -> None:
    """All text stays in its order, and what is merged cannot be merged further."""
    merged = merge_texts(events)

    for kind in (EventKind.TEXT, EventKind.THOUGHT):
        assert _joined(merged, kind) == _joined(events, kind)
    assert merged.count(NOTICE) == events.count(NOTICE)
    assert merge_texts(merged) == merged


def _joined(events: list[AgentEvent], kind: EventKind) -> str:
    return "".join(event.payload["text"] for event in events if event.kind is kind)
