"""Terminal output becomes plain text."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireroom.delivery.clean import clean_terminal_text, whole_characters

CASES = [
    ("colour", "\x1b[1;31mred\x1b[0m", "red"),
    ("private CSI", "\x1b[?25lhidden cursor\x1b[?25h", "hidden cursor"),
    ("CSI with intermediate", "\x1b[2 qbar", "bar"),
    ("CSI with colons", "\x1b[38:2::255:0:0mx\x1b[m", "x"),
    ("eight-bit CSI", "\x9b31mred", "red"),
    ("title ended by BEL", "\x1b]0;my title\x07text", "text"),
    ("title ended by ST", "\x1b]2;my title\x1b\\text", "text"),
    ("link", "\x1b]8;;https://x.org\x1b\\label\x1b]8;;\x1b\\", "label"),
    ("unfinished title", "\x1b]0;title\nnext", "\nnext"),
    ("device control", "\x1bPq#0;2\nabc\x1b\\after", "after"),
    ("unfinished device control", "\x1bPkept", "kept"),
    ("character set", "\x1b(Bx\x1b)0y", "xy"),
    ("save and restore", "\x1b7x\x1b8", "x"),
    ("keypad", "\x1b=x\x1b>", "x"),
    ("reset", "\x1bcx", "x"),
    ("lone escape", "a\x1b", "a"),
    ("CRLF", "a\r\nb\r\n", "a\nb\n"),
    ("doubled CR", "a\r\r\nb", "a\nb"),
    ("progress", "10 %\r50 %\rdone\nnext", "done\nnext"),
    ("progress erased", "10 %\r\x1b[2Kdone", "done"),
    ("progress ended by CR", "10 %\rdone\r\n", "done\n"),
    ("progress wiped with spaces", "working\r       \rok", "ok"),
    ("backspace", "abx\bc", "abc"),
    ("overstrike", "N\bNA\bAME", "NAME"),
    ("backspace at a line's start", "a\n\bb", "a\nb"),
    ("bell and NUL", "a\x07\x00b", "ab"),
    ("tab and newline", "a\tb\nc", "a\tb\nc"),
    ("C1", "a\x85\x80b\x7f", "ab"),
    ("lone surrogates", "a\ud83db\udc00", "a\ufffdb\ufffd"),
    ("surrogate pair", "\ud83d\ude00", "😀"),
    ("no brackets lost", "array[0;31m] and [1m", "array[0;31m] and [1m"),
    ("empty", "", ""),
]


@pytest.mark.parametrize(("raw", "clean"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_clean_shows_what_a_terminal_shows(raw: str, clean: str) -> None:
    """Each kind of sequence goes, everything that a person would read stays."""
    assert clean_terminal_text(raw) == clean


terminal_text = st.lists(
    st.sampled_from(
        [
            "\x1b",
            "[",
            "]",
            "P",
            "(",
            "\\",
            "\x07",
            "\x9c",
            "\x9b",
            "0;31",
            "m",
            "K",
            "\r",
            "\n",
            "\b",
            "\t",
            "a",
            "é",
        ]
    )
    | st.text(max_size=3)
).map("".join)


@settings(deadline=None)
@given(terminal_text)
def test_clean_leaves_no_control_characters_and_is_idempotent(raw: str) -> None:
    """No sequence of sequences leaves a control character, or something to clean again."""
    clean = clean_terminal_text(raw)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", clean)
    assert clean_terminal_text(clean) == clean


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"], include_characters="\n\t")))
def test_clean_keeps_text_without_sequences(text: str) -> None:
    """Ordinary text is returned as it is."""
    assert clean_terminal_text(text) == text


@settings(deadline=None)
@given(st.text(st.characters()))
def test_whole_characters_can_be_encoded(text: str) -> None:
    """Whatever came in, UTF-8 can carry it afterwards."""
    assert whole_characters(text).encode().decode() == whole_characters(text)


@pytest.mark.parametrize("piece", ["\x1bP", "\x1b]", "\x1b[", "\x1b", "\r", "\b", "\x1b[0", "\x1bP\x9c"])
def test_clean_takes_linear_time(piece: str) -> None:
    """A flood of unfinished sequences is cleaned at once."""
    started = time.perf_counter()
    clean_terminal_text(piece * 200_000)
    assert time.perf_counter() - started < 2
