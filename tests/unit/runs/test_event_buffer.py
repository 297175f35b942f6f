"""What an attempt's log takes in, joins, and leaves out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.runs.event_buffer import BATCH_EVENTS, MAX_NOTICES, EventBuffer

PLENTY = 10_000_000


def _text(text: str) -> AgentEvent:
    return AgentEvent(EventKind.TEXT, {"text": text})


def _thought(text: str) -> AgentEvent:
    return AgentEvent(EventKind.THOUGHT, {"text": text})


def _notice(text: str) -> AgentEvent:
    return AgentEvent(EventKind.NOTICE, {"text": text})


NOTICE = _notice("n")
SESSION = AgentEvent(EventKind.SESSION, {"session_id": "s"})


def _taken(buffer: EventBuffer) -> list[AgentEvent]:
    events = []
    while batch := buffer.take():
        assert len(batch) <= BATCH_EVENTS
        events += batch
    assert not buffer
    return events


def _through(events: list[AgentEvent], max_bytes: int = PLENTY) -> list[AgentEvent]:
    buffer = EventBuffer(max_bytes)
    for event in events:
        buffer.add(event)
    buffer.end()
    return _taken(buffer)


@pytest.mark.parametrize(
    ("events", "taken"),
    [
        pytest.param([], [], id="none"),
        pytest.param([_text("a"), _text("b"), _text("c")], [_text("abc")], id="neighbours"),
        pytest.param([_text("a"), _thought("b")], [_text("a"), _thought("b")], id="kinds-stay-apart"),
        pytest.param([_thought("a"), _thought("b")], [_thought("ab")], id="thoughts"),
        pytest.param([_text("a"), NOTICE, _text("b")], [_text("a"), NOTICE, _text("b")], id="order-stays"),
        pytest.param([NOTICE, NOTICE], [NOTICE, NOTICE], id="notices-stay-apart"),
    ],
)
def test_only_neighbouring_text_of_one_kind_is_joined(
    events: list[AgentEvent], taken: list[AgentEvent]
) -> None:
    """Pieces of answer join, pieces of thought join, nothing else does."""
    assert _through(events) == taken


@given(st.lists(st.sampled_from([_text("a"), _text("b"), _thought("c"), NOTICE, SESSION]), max_size=12))
def test_within_its_bounds_the_log_loses_nothing(events: list[AgentEvent]) -> None:
    """All text stays in its order, and every other event is there."""
    taken = _through(events)
    for kind in (EventKind.TEXT, EventKind.THOUGHT):
        assert _joined(taken, kind) == _joined(events, kind)
    assert [one for one in taken if one in (NOTICE, SESSION)] == [
        one for one in events if one in (NOTICE, SESSION)
    ]


def test_flood_of_lines_is_cut_and_counted() -> None:
    """The first lines are kept, and one last notice says how many were not."""
    taken = _through([_notice(str(number)) for number in range(MAX_NOTICES + 12_345)])
    assert taken[:-1] == [_notice(str(number)) for number in range(MAX_NOTICES)]
    assert taken[-1] == _notice("… 12,345 lines omitted")


def test_full_log_takes_only_what_the_next_run_needs() -> None:
    """Past its bytes the log takes no text, but still the agent's session."""
    assert _through([_text("x" * 900), NOTICE, _text("lost"), SESSION], 1000) == [
        _text("x" * 900),
        SESSION,
        _notice("… 2 lines omitted"),
    ]


def test_omissions_are_told_once() -> None:
    """Ending twice adds nothing."""
    buffer = EventBuffer(0)
    buffer.add(NOTICE)
    buffer.end()
    buffer.end()
    assert _taken(buffer) == [_notice("… 1 lines omitted")]


def _joined(events: list[AgentEvent], kind: EventKind) -> str:
    return "".join(event.payload["text"] for event in events if event.kind is kind)
