"""What is done next for a delivery, whatever crashed before."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.delivery.plan import (
    Complete,
    Doubt,
    Fill,
    LeaveOut,
    PartState,
    PartView,
    Place,
    Render,
    Search,
    Speak,
    Step,
    Wait,
    next_step,
)

NEW, SENDING, UNCERTAIN = PartState.NEW, PartState.SENDING, PartState.UNCERTAIN
PLACED, SENT = PartState.PLACED, PartState.SENT


@pytest.mark.parametrize(
    ("states", "has_body", "step"),
    [
        pytest.param([NEW], False, Place(0), id="first-sign"),
        pytest.param([PLACED], False, Wait(), id="answer-not-known"),
        pytest.param([SENDING], False, Place(0), id="crash-while-sending"),
        pytest.param([UNCERTAIN], False, Place(0), id="no-answer-while-sending"),
        pytest.param([NEW, NEW], True, Place(0), id="answer-before-the-first-sign"),
        pytest.param([PLACED, NEW], True, Fill(0), id="fill-the-first"),
        pytest.param([SENT, NEW], True, Place(1), id="place-the-second"),
        pytest.param([SENT, SENDING], True, Place(1), id="crash-at-the-second"),
        pytest.param([SENT, PLACED], True, Fill(1), id="fill-the-second"),
        pytest.param([SENT, NEW, PLACED], True, Place(1), id="in-order"),
        pytest.param([SENT, SENT], True, Complete(), id="all-shown"),
    ],
)
def test_next_step_places_then_fills_part_by_part(
    states: list[PartState], has_body: bool, step: Step
) -> None:
    """Parts go in order, each placed and then filled; an unsure placeholder is placed again."""
    parts = [PartView(seq, state, has_content=has_body) for seq, state in enumerate(states)]

    assert next_step(parts, has_body=has_body) == step


@pytest.mark.parametrize(
    ("states", "has_body", "step"),
    [
        pytest.param([PLACED], False, Search(0, thorough=False), id="before-the-answer-is-known"),
        pytest.param([PLACED], True, Fill(0), id="an-answer-goes-first"),
        pytest.param([SENT, SENDING], True, Place(1), id="a-second-part-goes-first"),
        pytest.param([SENT, SENT], True, Search(0, thorough=True), id="before-it-is-complete"),
    ],
)
def test_doubt_is_settled_when_nothing_else_is_left(
    states: list[PartState], has_body: bool, step: Step
) -> None:
    """Lost placeholders are looked for while there is nothing to show."""
    parts = [PartView(seq, state, has_body, doubt=Doubt(seq == 0)) for seq, state in enumerate(states)]

    assert next_step(parts, has_body=has_body) == step


@pytest.mark.parametrize("state", [NEW, SENDING, PLACED], ids=str)
def test_known_body_is_cut_into_parts_first(state: PartState) -> None:
    """Once the answer is known, its parts are made before anything else is sent."""
    assert next_step([PartView(0, state, has_content=False)], has_body=True) == Render()


@dataclass
class _Chat:
    """What people see: messages by id with their text; the placeholder's is empty."""

    messages: dict[int, str] = field(default_factory=dict)
    sent: int = 0

    def send(self) -> int:
        self.sent += 1
        self.messages[self.sent] = ""
        return self.sent


@dataclass
class _Row:
    """A part as the database keeps it through every crash."""

    state: PartState = NEW
    content: str | None = None
    message_id: int | None = None
    doubt: Doubt = Doubt.NONE


class _Crash(Exception):
    """The process dies here."""


@dataclass
class _Sender:
    """Obeys `next_step` as the real sender does, and dies when told to."""

    rows: list[_Row]
    chat: _Chat
    parts: list[str]
    crashes: list[int]
    """At how many crash points from here the next deaths come."""
    body_known: bool = False

    def crash_point(self) -> None:
        if self.crashes:
            self.crashes[0] -= 1
            if self.crashes[0] < 0:
                self.crashes.pop(0)
                raise _Crash

    def step(self) -> Step:
        views = [
            PartView(seq, row.state, row.content is not None, row.doubt) for seq, row in enumerate(self.rows)
        ]
        step = next_step(views, has_body=self.body_known)
        match step:
            case Render():
                self.crash_point()
                self.rows[0].content = self.parts[0]
                self.rows.extend(_Row(content=content) for content in self.parts[1:])
            case Place(seq=seq):
                if self.rows[seq].state is not NEW:
                    self.rows[seq].doubt = Doubt.FRESH
                self.rows[seq].state = SENDING
                self.crash_point()
                message_id = self.chat.send()
                self.crash_point()
                self.rows[seq].message_id, self.rows[seq].state = message_id, PLACED
            case Fill(seq=seq):
                self.crash_point()
                if self.rows[seq].message_id not in self.chat.messages:
                    self.rows[seq].state, self.rows[seq].message_id = NEW, None
                    return step
                self.chat.messages[self.rows[seq].message_id or 0] = self.rows[seq].content or ""
                self.crash_point()
                self.rows[seq].state = SENT
            case Search(seq=seq, thorough=thorough):
                self.crash_point()
                recorded = {row.message_id for row in self.rows}
                for message_id in self.chat.messages.keys() - recorded:
                    del self.chat.messages[message_id]
                self.crash_point()
                self.rows[seq].doubt = Doubt.NONE if thorough else Doubt.LOOKED
            case _:
                pass
        self.crash_point()
        return step


@given(
    crashes=st.lists(st.integers(0, 12), max_size=8),
    parts=st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, max_size=4),
    body_after=st.integers(0, 6),
    deleted_after=st.none() | st.integers(0, 20),
)
def test_any_crashes_end_in_a_complete_answer(
    crashes: list[int], parts: list[str], body_after: int, deleted_after: int | None
) -> None:
    """Whatever crashes, even when placeholders are deleted meanwhile, each part is shown exactly once."""
    chat, died = _Chat(), len(crashes)
    sender = _Sender([_Row()], chat, parts, crashes)
    step: Step = Wait()
    for number in range(12 + 6 * len(parts) + 4 * died):
        sender.body_known = sender.body_known or number >= body_after
        if number == deleted_after and chat.messages:
            shown = {row.message_id for row in sender.rows if row.state is SENT}
            chat.messages = {key: text for key, text in chat.messages.items() if key in shown}
        try:
            step = sender.step()
        except _Crash:
            continue
        if isinstance(step, Complete):
            break

    assert isinstance(step, Complete)
    assert all(row.state is SENT for row in sender.rows)
    assert [chat.messages[row.message_id or 0] for row in sender.rows] == parts
    assert sorted(chat.messages.values()) == sorted(parts)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        pytest.param(NEW, Speak(0), id="not-sent"),
        pytest.param(SENDING, LeaveOut(0), id="crash-while-sending"),
        pytest.param(UNCERTAIN, LeaveOut(0), id="no-answer-while-sending"),
        pytest.param(SENT, Complete(), id="sent"),
    ],
)
def test_a_voice_message_is_sent_by_one_call_or_left_out(state: PartState, step: Step) -> None:
    """It has no placeholder that could be filled, so whatever is in doubt about it is not said twice."""
    assert next_step([PartView(0, state, has_content=True, is_voice=True)], has_body=True) == step
