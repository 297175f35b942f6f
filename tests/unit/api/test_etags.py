"""When an answer is the one that its caller has already."""

from __future__ import annotations

import pytest

from wireroom.api.etags import etag_of, has_already


def test_tag_follows_the_body() -> None:
    """Equal bodies have equal tags, others others."""
    assert etag_of(b"a") == etag_of(b"a") != etag_of(b"b")
    assert etag_of(b"a").startswith('W/"')


@pytest.mark.parametrize(
    ("said", "etag", "expected"),
    [
        (None, 'W/"x"', False),
        ("", 'W/"x"', False),
        ('W/"x"', 'W/"x"', True),
        ('"x"', 'W/"x"', True),
        ('W/"x"', '"x"', True),
        ('"a", W/"x" ,"b"', 'W/"x"', True),
        ('"a","b"', 'W/"x"', False),
        (" * ", 'W/"x"', True),
        ("x", 'W/"x"', False),
        ('W/"xy"', 'W/"x"', False),
        ('"a, x"', 'W/"x"', False),
        ('"', 'W/"x"', False),
    ],
)
def test_tags_are_compared_weakly(said: str | None, etag: str, expected: bool) -> None:
    """A list of tags, a star, and tags of both kinds mean what RFC 9110 says; nonsense means nothing."""
    assert has_already(said, etag) is expected
