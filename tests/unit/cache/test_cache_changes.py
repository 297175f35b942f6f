"""What a change touches, and what of it concerns whom."""

from __future__ import annotations

import msgspec
import pytest

from wireroom.cache.changes import Changed, TagChanged

_CHANGED = Changed(
    frozenset({"conversations", "trees:app"}),
    frozenset({("trees", "one"), ("settings", "all")}),
    frozenset({("trees", "app/*")}),
)


@pytest.mark.parametrize(
    ("name", "key", "tags", "touched"),
    [
        pytest.param("conversations", "x", ("conversations",), True, id="by tag"),
        pytest.param("conversations", "x", ("other",), False, id="another tag"),
        pytest.param("settings", "all", (), True, id="by key"),
        pytest.param("trees", "all", (), False, id="the key of another name"),
        pytest.param("trees", "app/src", (), True, id="by pattern"),
        pytest.param("settings", "app/src", (), False, id="the pattern of another name"),
    ],
)
def test_change_touches_what_depends_on_it(name: str, key: str, tags: tuple[str, ...], touched: bool) -> None:
    """An entry is no longer true when one of its tags, its key, or a pattern of its name says so."""
    assert _CHANGED.touches(name, key, tags) is touched


def test_changes_are_joined() -> None:
    """Two changes at one moment are one message; no change is none."""
    joined = Changed(frozenset({"a"})) | Changed(keys=frozenset({("n", "k")}))
    assert joined == Changed(frozenset({"a"}), frozenset({("n", "k")}))
    assert joined.size == 2
    assert joined
    assert not Changed()


def test_change_travels_as_bytes() -> None:
    """What one replica tells, another reads."""
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(_CHANGED), type=Changed) == _CHANGED


def test_part_of_a_change_concerns_a_name() -> None:
    """Its keys and patterns, and the tags that begin with it."""
    assert _CHANGED.about({"trees"}) == Changed(
        frozenset({"trees:app"}), frozenset({("trees", "one")}), frozenset({("trees", "app/*")})
    )


def test_equal_changes_of_one_commit_are_one() -> None:
    """The database calls equal callbacks of a commit once; these are equal by their tag."""
    assert len({TagChanged("a"), TagChanged("a"), TagChanged("b")}) == 2
