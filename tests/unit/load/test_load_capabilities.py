"""Who can act on which service."""

from __future__ import annotations

import pytest

from wireroom.load.capabilities import program_headers, why_not


@pytest.mark.parametrize(
    ("status", "words"),
    [
        pytest.param(200, None, id="taken"),
        pytest.param(0, "does not answer", id="silent"),
        pytest.param(401, "secret (401)", id="locked"),
        pytest.param(404, "is not there (404)", id="missing"),
        pytest.param(501, "is not there (501)", id="never written"),
        pytest.param(500, "answers 500", id="broken"),
    ],
)
def test_why_not_says_what_is_wrong(status: int, words: str | None) -> None:
    """A probe's answer tells whether a route can be used, and why not."""
    found = why_not(status)

    assert found is None if words is None else words in (found or "")


def test_why_not_takes_what_the_route_counts_as_able() -> None:
    """A route that refuses an empty request is there."""
    assert why_not(400, frozenset({200, 400})) is None


def test_program_headers_are_none_without_a_secret() -> None:
    """An open service is sent no empty secret."""
    assert program_headers("") == {}
    assert program_headers("s") == {"X-Webhook-Secret": "s", "Authorization": "Bearer s"}
