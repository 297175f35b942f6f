"""A file's text as lines of safe HTML."""

from __future__ import annotations

import re
from html import unescape
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.api.highlight import LONGEST_LINE, MOST_CHARS, highlight

TAG = re.compile(r'</?span(?: class="hl-[a-z]")?>')


def seen(lines: list[str]) -> str:
    """Return what a reader sees, having checked that each line is whole in itself."""
    for line in lines:
        assert line.count("<span") == line.count("</span>")
        assert "<" not in TAG.sub("", line)
    return "\n".join(unescape(TAG.sub("", line)) for line in lines)


def test_language_follows_from_the_name() -> None:
    """Words get the classes of what they are, also where a token goes over several lines."""
    shown = highlight("a.py", "def main():\n    '''One\n    two'''\n    return 1 < 2\n")
    assert shown.language == "Python"
    assert shown.lines[0] == '<span class="hl-k">def</span> <span class="hl-f">main</span>():'
    assert shown.lines[2].startswith('<span class="hl-s">')
    assert "&lt;" in shown.lines[3]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.unheard-of", "<script>alert(1)</script>"),
        ("a.py", "x" * (LONGEST_LINE + 1)),
        ("a.java", "\n" * 60_000 + "x"),
        ("a.py", "x = 1\n" * (MOST_CHARS // 6 + 1)),
    ],
    ids=["unknown", "long line", "wide gap", "large"],
)
def test_what_goes_beyond_the_bounds_is_plain(name: str, text: str) -> None:
    """It is shown all the same, escaped."""
    shown = highlight(name, text)
    assert shown.language is None
    assert seen(shown.lines) == text.removesuffix("\n")
    assert not any("<" in line for line in shown.lines)


def test_work_ends_in_time() -> None:
    """Once the time is over the rest is plain, and nothing of it is lost."""
    hours = count(step=3600)
    text = "x = 1\n" * 2000
    shown = highlight("a.py", text, clock=lambda: float(next(hours)))
    assert seen(shown.lines) == text.removesuffix("\n")
    assert "span" not in shown.lines[-1]


@given(
    st.sampled_from(["a.py", "a.html", "a.js", "a.md", "a.json", "Makefile", "a"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=200),
)
def test_nothing_is_hidden_and_nothing_gets_through(name: str, text: str) -> None:
    """Whatever the text and its language, a reader sees that text and no markup of its own."""
    assert seen(highlight(name, text).lines) == text.removesuffix("\n")
