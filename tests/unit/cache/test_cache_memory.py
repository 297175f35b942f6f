"""The memory level: bounded in bytes, forgets what it is told to, and what nobody uses first."""

from __future__ import annotations

from typing import Any

from wireroom.cache.memory import Entry, MemoryLevel
from wireroom.cache.policy import Times

_TIMES = Times(0.0, 10.0, 10.0)


class _Level(MemoryLevel[str]):
    def __init__(self, most_bytes: int = 1_000_000) -> None:
        self.gone: list[tuple[str, str]] = []
        super().__init__(most_bytes, self._note)

    def _note(self, entry: Entry[Any], reason: str) -> None:
        self.gone.append((entry.value, reason))

    def add(self, key: str, *tags: str, size: int = 100, times: Times = _TIMES) -> bool:
        return self.put(key, key.upper(), times, size, tags)


def test_bytes_stay_within_the_bound() -> None:
    """However much is kept, all of it together takes no more than was said."""
    level = _Level(20_000)
    for number in range(1000):
        level.add(f"key-{number}", "tag")
        assert level.bytes <= 20_000
    assert len(level.entries) > 10
    assert level.bytes == sum(entry.bytes for entry in level.entries.values())


def test_unused_goes_first() -> None:
    """What was used since the last look stays; what was not goes, the oldest first."""
    level = _Level(4 * 600)
    for key in "abcd":
        level.add(key)
    level.entries["a"].used = True
    level.add("e")
    assert sorted(level.entries) == ["a", "c", "d", "e"]
    assert level.gone == [("B", "evicted")]


def test_used_entries_go_when_all_are_used() -> None:
    """Nothing is kept for ever: a second round takes what only the first one spared."""
    level = _Level(4 * 600)
    for key in "abcd":
        level.add(key)
        level.entries[key].used = True
    level.add("e")
    assert "a" not in level.entries
    assert len(level.entries) == 4


def test_expired_entry_goes_before_a_used_one() -> None:
    """What is over takes no room that a living value needs."""
    level = _Level(4 * 600)
    level.add("old", times=Times(0.0, 1.0, 1.0))
    level.entries["old"].used = True
    for key in "abcd":
        level.add(key, times=Times(5.0, 10.0, 10.0))
    assert sorted(level.entries) == ["a", "b", "c", "d"]


def test_too_large_value_pushes_nothing_out() -> None:
    """More than a quarter is too much; and what was kept under the key before is gone."""
    level = _Level(10_000)
    level.add("small")
    level.add("big")
    assert not level.add("big", size=9000)
    assert list(level.entries) == ["small"]


def test_tag_forgets_what_depends_on_it_alone() -> None:
    """One change ends every entry that named it, and no other."""
    level = _Level()
    level.add("a", "red", "round")
    level.add("b", "red")
    level.add("c", "round")
    level.drop_tag("red")
    level.drop_tag("unknown")
    assert list(level.entries) == ["c"]
    level.drop_tag("round")
    assert level.bytes == 0
    assert level._tagged == {}


def test_pattern_forgets_keys_that_match() -> None:
    """A pattern is about keys, as a shell reads it."""
    level = _Level()
    for key in ("lane:1:a", "lane:2:a", "lane:1:b"):
        level.add(key)
    level.drop_matching("lane:1:*")
    assert list(level.entries) == ["lane:2:a"]


def test_expired_entries_can_be_swept() -> None:
    """What nobody asks for any more does not stay until the memory is full."""
    level = _Level()
    level.add("a", times=Times(0.0, 5.0, 5.0))
    level.add("b", times=Times(0.0, 9.0, 9.0))
    level.drop_expired(5.0)
    assert list(level.entries) == ["b"]
    assert level.gone == [("A", "expired")]


def test_replaced_entry_is_counted_once() -> None:
    """A value under a key that has one takes its place, bytes and tags included."""
    level = _Level()
    level.add("a", "old")
    level.add("a", "new")
    level.drop_tag("old")
    assert list(level.entries) == ["a"]
    assert level.bytes == level.entries["a"].bytes
