"""Where an answer is cut, and when it becomes a file."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.delivery.graphemes import cut_before
from wireroom.delivery.parts import TEXT_LIMIT, DocumentPart, TextPart, decode_part, encode_part, part_kind
from wireroom.delivery.render import Rendered, render
from wireroom.delivery.split import (
    CERTAINLY_LONG_CHARACTERS,
    DOCUMENT_BYTES,
    as_parts,
    bounded_document,
    split,
)
from wireroom.telegram.types import MessageEntity

CUTS = [
    ("fits", "one two", 7, ["one two"]),
    ("paragraph before line", "aaaa\n\nbb\ncccc", 11, ["aaaa", "bb\ncccc"]),
    ("line before word", "aa bb\ncc dd", 8, ["aa bb", "cc dd"]),
    ("sentence before word", "Aa bb. Cc dd ee", 11, ["Aa bb.", "Cc dd ee"]),
    ("quoted sentence", 'Say "no." Then go on', 14, ['Say "no."', "Then go on"]),
    ("Chinese sentence", "我在这里。你在那里", 7, ["我在这里。", "你在那里"]),
    ("word", "aaa bbb ccc", 9, ["aaa bbb", "ccc"]),
    ("exactly full", "aaaa\nbbbb", 4, ["aaaa", "bbbb"]),
    ("one long word", "a" * 10, 4, ["aaaa", "aaaa", "aa"]),
    ("paragraph too early", "a\n\nbbbb" + " bbbb" * 5, 30, ["a\n\nbbbb bbbb bbbb bbbb bbbb", "bbbb"]),
    ("indentation kept", "aaaa\n  bbbb", 6, ["aaaa", "  bbbb"]),
    ("blank runs", "aaaa\n\n\n   \n\nbbbb", 6, ["aaaa", "bbbb"]),
    ("emoji by units", "😀😀😀", 4, ["😀😀", "😀"]),
    ("emoji not torn", "a😀", 2, ["a", "😀"]),
    ("family not torn", "aaa👨‍👩‍👧b", 8, ["aaa", "👨‍👩‍👧", "b"]),
    ("flag not torn", "🇩🇪🇫🇷", 6, ["🇩🇪", "🇫🇷"]),
    ("accent not torn", "abce\u0301d", 4, ["abc", "e\u0301d"]),
    ("skin tone not torn", "ab👍🏽", 4, ["ab", "👍🏽"]),
    ("nothing to see", "\u200b \u2800", 10, []),
    ("empty", "", 10, []),
]


@pytest.mark.parametrize(
    ("text", "limit", "parts"), [case[1:] for case in CUTS], ids=[case[0] for case in CUTS]
)
def test_split_cuts_where_a_reader_pauses(text: str, limit: int, parts: list[str]) -> None:
    """Paragraph, line, sentence, word, character, in this order, and whole characters only."""
    assert [part.text for part in split(Rendered(text), limit)] == parts


def test_split_prefers_to_leave_code_whole() -> None:
    """A cut goes before a code block rather than through it."""
    parts = split(render("some words here\n\n```py\na = 1\nb = 2\n```"), 22)
    assert [part.text for part in parts] == ["some words here", "a = 1\nb = 2"]
    assert parts[1].entities == (MessageEntity("pre", 0, 11, language="py"),)


def test_split_continues_code_with_its_language() -> None:
    """A code block that must be cut is closed at a line's end and opened again with its language."""
    parts = split(render("```py\n  a = 1\n    b = 2\n  c = 3\n```"), 20)
    assert [part.text for part in parts] == ["  a = 1\n    b = 2", "  c = 3"]
    assert [part.entities for part in parts] == [
        (MessageEntity("pre", 0, 17, language="py"),),
        (MessageEntity("pre", 0, 7, language="py"),),
    ]


def test_split_keeps_blank_lines_and_spaces_inside_code() -> None:
    """Inside code only the one line end at the cut goes."""
    parts = split(render("```\naaaa\n\n\nbbbb\n```"), 6)
    assert "\n".join(part.text for part in parts) == "aaaa\n\n\nbbbb"


def test_split_continues_a_link() -> None:
    """Both halves of a cut link lead to its target."""
    parts = split(render("[aaaa bbbb](https://x.org/)"), 6)
    assert parts == (
        TextPart("aaaa", (MessageEntity("text_link", 0, 4, url="https://x.org/"),)),
        TextPart("bbbb", (MessageEntity("text_link", 0, 4, url="https://x.org/"),)),
    )


def test_cut_before_gives_up_on_endless_clusters() -> None:
    """A pile of marks longer than any real character is torn rather than sent as nothing."""
    assert cut_before("e" + "\u0301" * 500, 400, 0) == 400


def test_as_parts_sends_a_short_answer_as_text() -> None:
    """An answer that fits is one text."""
    assert as_parts("**hi**") == (TextPart("hi", (MessageEntity("bold", 0, 2),)),)


@pytest.mark.parametrize("markdown", ["", " \n\n", "\u200b", "<details></details>"])
def test_as_parts_of_nothing_is_nothing(markdown: str) -> None:
    """An answer in which nothing can be seen gives no message; the caller says so in its own words."""
    assert as_parts(markdown) == ()


def test_as_parts_sends_up_to_four_texts() -> None:
    """A longer answer is several full texts."""
    parts = as_parts("word " * 3000)
    assert [type(part) for part in parts] == [TextPart] * 4


@pytest.mark.parametrize("words", [4000, CERTAINLY_LONG_CHARACTERS], ids=["long", "very long"])
def test_as_parts_sends_a_long_answer_as_excerpt_and_document(words: int) -> None:
    """Beyond four texts there is a short head that names the file, and the file has everything."""
    markdown = "# Title\n\n" + "wörd " * words
    head, document = as_parts(markdown)
    assert isinstance(head, TextPart)
    assert len(head.text) <= 1000
    assert head.text.startswith("Title\n\nwörd")
    assert head.text.endswith(f"The whole answer, {len(markdown):,} characters, is in answer.md.")
    assert head.entities == (MessageEntity("bold", 0, 5),)
    assert document == DocumentPart("answer.md", markdown.encode(), "text/markdown")


@given(st.text(min_size=50, max_size=300), st.integers(120, 400))
def test_bounded_document_keeps_head_and_tail_and_counts_what_is_missing(text: str, limit: int) -> None:
    """A document beyond the limit loses its middle, and says how much."""
    content = text.encode()
    bounded = bounded_document(content, limit)
    assert len(bounded) <= limit or content == bounded
    if len(content) <= limit:
        assert bounded == content
        return
    note_of = r"\n\n\[… ([\d,]+) bytes are missing here …\]\n\n"
    head, note, tail = re.split(note_of, bounded.decode(), maxsplit=1)
    assert text.startswith(head)
    assert text.endswith(tail)
    assert int(note.replace(",", "")) == len(content) - len(head.encode()) - len(tail.encode())


def test_as_parts_of_an_answer_beyond_telegrams_limit_says_what_is_missing() -> None:
    """An answer that no document can hold is delivered without its middle."""
    head, document = as_parts("a" * (DOCUMENT_BYTES + 1000))
    assert isinstance(head, TextPart)
    assert "leaves out 1,000 bytes of its middle" in head.text
    assert isinstance(document, DocumentPart)
    assert len(document.content) <= DOCUMENT_BYTES


def test_as_parts_of_a_long_invisible_answer_is_a_document() -> None:
    """Even when the head shows nothing, the file is announced and sent."""
    head, document = as_parts(" \n" * CERTAINLY_LONG_CHARACTERS)
    assert isinstance(head, TextPart)
    assert head.text.startswith("…\nThe whole answer")
    assert isinstance(document, DocumentPart)


@pytest.mark.parametrize(
    "part",
    [
        TextPart("a 😀", (MessageEntity("text_link", 0, 1, url="https://x.org/"),)),
        DocumentPart("answer.md", b"\x00\xff"),
    ],
    ids=["text", "document"],
)
def test_parts_survive_storage(part: TextPart | DocumentPart) -> None:
    """What is stored is what is read back."""
    assert decode_part(part_kind(part), encode_part(part)) == part


def test_plain_part_keeps_the_limit() -> None:
    """Links are written out only while the message stays within Telegram's limit."""
    link = MessageEntity("text_link", 0, 1, url="https://x.org/")
    assert TextPart("a b", (link,)).plain == "a (https://x.org/) b"
    full = "a" * TEXT_LIMIT
    assert TextPart(full, (link,)).plain == full
