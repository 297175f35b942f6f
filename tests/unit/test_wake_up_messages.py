"""How topics travel between processes: gathered into messages PostgreSQL takes, and taken apart again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wireroom.store.wake_ups import MAX_MESSAGE_BYTES, messages_of, topics_of

ORIGIN = "0123456789abcdef"
topics = st.lists(
    st.text(st.characters(exclude_characters="\n\x00", codec="utf-8"), min_size=1, max_size=300)
)


@given(topics)
def test_topics_arrive_once_and_in_order(told: list[str]) -> None:
    """Whatever is told, somebody else hears every topic, in the order in which it was told first."""
    messages = list(messages_of(ORIGIN, dict.fromkeys(told)))

    assert list(topics_of(messages, "somebody else")) == list(dict.fromkeys(told))
    assert all(len(message.encode()) <= MAX_MESSAGE_BYTES for message in messages)


def test_nothing_told_is_no_message() -> None:
    """Without topics, nobody is woken."""
    assert list(messages_of(ORIGIN, [])) == []


def test_many_topics_fill_messages() -> None:
    """A message takes as many topics as fit."""
    told = [f"run:{number:060}" for number in range(1000)]

    assert len(list(messages_of(ORIGIN, told))) == 9


def test_topic_that_fits_nowhere_is_left_out() -> None:
    """One absurd topic does not keep the others from being told."""
    messages = list(messages_of(ORIGIN, ["a", "x" * MAX_MESSAGE_BYTES, "b"]))

    assert list(topics_of(messages, "somebody else")) == ["a", "b"]


def test_own_topics_are_not_heard() -> None:
    """A process has woken its own readers already."""
    own, other = messages_of(ORIGIN, ["mine"]), messages_of("other", ["theirs"])

    assert list(topics_of([*own, *other], ORIGIN)) == ["theirs"]
