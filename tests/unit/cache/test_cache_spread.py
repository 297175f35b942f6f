"""What waits to be told to the other replicas, and what their word for our installation is."""

from __future__ import annotations

from typing import Any

import pytest

from wireroom.cache.changes import Changed
from wireroom.cache.lower import Address
from wireroom.cache.names import NAMES, Source
from wireroom.cache.spread import EVERYTHING, Spread, installation_of


class RecordingNews:
    """News that are only noted."""

    is_hearing = True

    def __init__(self) -> None:
        """Begin with nothing."""
        self.channels: list[str] = []
        self.on_message: Any = None
        self.on_gap: Any = None

    async def publish(self, channel: str, message: bytes) -> bool:
        """Take no notice."""
        return bool(channel and message)

    def subscribe(self, channel: str, on_message: Any, on_gap: Any) -> Any:
        """Note who listens."""
        self.channels.append(channel)
        self.on_message, self.on_gap = on_message, on_gap
        return lambda: None


def _spread(news: RecordingNews) -> Spread:
    nothing: Any = None
    return Spread(nothing, news, "ours")


def test_change_is_untold_until_it_is_told() -> None:
    """What it touches is known at once, before anybody has heard of it."""
    spread = _spread(RecordingNews())
    spread.tell(Changed(frozenset({"red"})))
    assert not spread.is_idle
    assert spread.is_untold(Address("any", "key", ("red", "blue")))
    assert not spread.is_untold(Address("any", "key", ("blue",)))


def test_too_many_changes_are_told_as_everything() -> None:
    """What waits while Redis is away stays bounded, and still touches all that was made from rows."""
    spread = _spread(RecordingNews())
    for number in range(1500):
        spread.tell(Changed(frozenset({f"tag-{number}"})))
    rows = [what.name for what in NAMES if what.source is Source.ROWS]
    assert all(spread.is_untold(Address(name, "any key")) for name in rows)
    assert spread._untold.size <= 1000 + EVERYTHING.size


def test_message_that_cannot_be_read_means_that_anything_may_have_changed() -> None:
    """A replica of another release is not misunderstood: memory is emptied."""
    news, heard, gaps = RecordingNews(), list[Changed](), list[int]()
    spread = _spread(news)
    spread.listen(heard.append, lambda: gaps.append(1))
    news.on_message(b"\xc1 no message")
    assert (heard, gaps) == ([], [1])
    assert spread.is_idle


def test_gap_empties_memory_and_renews_every_token() -> None:
    """What was missed cannot be known, so all that was made from rows is told as changed."""
    news, gaps = RecordingNews(), list[int]()
    spread = _spread(news)
    spread.listen(lambda _: None, lambda: gaps.append(1))
    news.on_gap()
    assert gaps == [1]
    assert spread.is_untold(Address("conversations", "any"))
    assert news.channels == ["cache.ours"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param("postgresql://a:secret@db/wireroom", "postgresql://b@db/wireroom", True, id="who asks"),
        pytest.param(
            "postgresql://a@db/wireroom?sslmode=require", "postgresql://a@db/wireroom", True, id="how"
        ),
        pytest.param("postgresql://a@db/wireroom", "postgresql://a@db/other", False, id="which database"),
        pytest.param("postgresql://a@db/wireroom", "postgresql://a@db2/wireroom", False, id="which server"),
    ],
)
def test_installation_is_where_its_database_is(one: str, other: str, same: bool) -> None:
    """Replicas of one database share a word; another installation on the same Redis has another."""
    assert (installation_of(one) == installation_of(other)) is same
    assert "secret" not in installation_of(one)
