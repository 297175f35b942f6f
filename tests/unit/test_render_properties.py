"""What holds for any Markdown at all, however it is nested or broken."""

from __future__ import annotations

import re
import time
from unicodedata import category

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_strategies import inline, markdown, sentence

from wireroom.delivery.parts import DocumentPart, TextPart, decode_part, encode_part, part_kind
from wireroom.delivery.render import render
from wireroom.delivery.split import MAX_ENTITIES, as_parts, split
from wireroom.delivery.text_builder import STYLES, utf16_length
from wireroom.telegram.types import MessageEntity

SURROGATE = re.compile(r"[\ud800-\udfff]")
SEEN = re.compile(r"[^\W_\u115f\u1160\u3164]")
"""A letter or digit; the fillers of Hangul count as letters but cannot be seen."""
BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\ufffc"
"""What shows nothing although it is neither a space nor a control character."""


def check_entities(text: str, entities: tuple[MessageEntity, ...]) -> None:
    """Hold the entities against Telegram's rules for bounds and nesting."""
    units = text.encode("utf-16-le")
    for entity in entities:
        assert entity.length > 0
        assert entity.offset >= 0
        assert entity.offset + entity.length <= len(units) // 2
        # Decoding fails when a boundary stands inside a surrogate pair.
        units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le")
    for index, outer in enumerate(entities):
        for inner in entities[index + 1 :]:
            check_pair(outer, inner)


def check_pair(outer: MessageEntity, inner: MessageEntity) -> None:
    """Two entities, the one that starts first or is longer being `outer`, are apart or nest as allowed."""
    assert (outer.offset, -outer.length) <= (inner.offset, -inner.length)
    if inner.offset >= outer.offset + outer.length:
        return
    assert inner.offset + inner.length <= outer.offset + outer.length
    kinds = {outer.type, inner.type}
    assert outer.type not in {"code", "pre"}
    assert outer.type != inner.type
    assert not (kinds & {"code", "pre"} and kinds & STYLES)
    assert kinds != {"code", "text_link"}


@settings(max_examples=150, deadline=None)
@given(markdown)
def test_any_markdown_gives_valid_entities(source: str) -> None:
    """Bounds, order and nesting are as Telegram wants them, and the text is valid Unicode."""
    rendered = render(source)
    assert not SURROGATE.search(rendered.text)
    check_entities(rendered.text, rendered.entities)


@settings(deadline=None)
@given(st.text())
def test_any_text_renders(source: str) -> None:
    """Noise is Markdown, too."""
    rendered = render(source)
    check_entities(rendered.text, rendered.entities)


@settings(deadline=None)
@given(inline)
def test_prose_keeps_every_letter_and_digit(source: str) -> None:
    """Whatever the marks around them mean, no letter and no digit of prose disappears.

    The letters of `<b>` may: it is shown as bold. The "x" keeps tildes from opening a fence.
    """
    told = iter(SEEN.findall(render(f"x {source}").plain))
    letters = SEEN.findall(source.replace("<b>", "").replace("</b>", ""))
    assert [letter for letter in letters if letter not in told] == []


@settings(deadline=None)
@given(markdown, st.integers(2, 80))
def test_parts_are_within_the_limit_and_whole(source: str, limit: int) -> None:
    """Any limit is kept, entities stay valid, and nothing but whitespace is lost at the cuts."""
    rendered = render(source)
    parts = split(rendered, limit)
    for part in parts:
        assert 0 < utf16_length(part.text) <= limit
        assert not SURROGATE.search(part.text)
        check_entities(part.text, part.entities)
    assert SEEN.findall("".join(part.text for part in parts)) == SEEN.findall(rendered.text)


@settings(deadline=None)
@given(st.one_of(markdown, st.text("ab .!?;\n-😀", max_size=300)), st.integers(2, 80))
def test_parts_joined_again_are_the_text(source: str, limit: int) -> None:
    """Every character that can be seen, a mark or an emoji too, is there once and in its place."""
    rendered = render(source)
    assert visible("".join(part.text for part in split(rendered, limit))) == visible(rendered.text)


def visible(text: str) -> str:
    """Return the text without what cannot be seen."""
    return "".join(one for one in text if category(one)[0] not in "CZ" and one not in BLANK)


@settings(deadline=None)
@given(st.lists(sentence, min_size=1, max_size=30).map("\n\n".join), st.integers(20, 200))
def test_cuts_lose_only_whitespace(source: str, limit: int) -> None:
    """The parts follow each other in the text, with only whitespace between them."""
    rendered = render(source)
    position = 0
    for part in split(rendered, limit):
        found = rendered.text.index(part.text, position)
        assert not rendered.text[position:found].strip()
        position = found + len(part.text)
    assert not rendered.text[position:].strip()


@settings(deadline=None)
@given(markdown, st.integers(20, 100))
def test_formatting_survives_the_cut(source: str, limit: int) -> None:
    """Every visible character has the same formatting in its part as in the whole."""
    rendered = render(source)
    parts = split(rendered, limit)
    whole = formatted(rendered.text, rendered.entities)
    pieces = [entry for part in parts for entry in formatted(part.text, part.entities)]
    assert pieces == whole


def formatted(text: str, entities: tuple[MessageEntity, ...]) -> list[tuple[str, frozenset[object]]]:
    """Return each letter or digit with the formatting that it has."""
    shown: list[tuple[str, frozenset[object]]] = []
    offset = 0
    for character in text:
        if SEEN.match(character):
            around = [e for e in entities if e.offset <= offset < e.offset + e.length]
            shown.append((character, frozenset((e.type, e.url, e.language) for e in around)))
        offset += utf16_length(character)
    return shown


@settings(max_examples=50, deadline=None)
@given(st.lists(markdown, min_size=1, max_size=10).map("\n\n".join), st.integers(1, 3))
def test_as_parts_gives_few_texts_or_one_document(source: str, most: int) -> None:
    """An answer is a bounded number of texts, or an excerpt and the complete Markdown as a file."""
    parts = as_parts(source, max_text_parts=most, limit=200)
    documents = [part for part in parts if isinstance(part, DocumentPart)]
    texts = [part for part in parts if isinstance(part, TextPart)]
    assert all(0 < utf16_length(part.text) <= 200 for part in texts)
    if documents:
        assert [type(part) for part in parts] == [TextPart, DocumentPart]
        assert documents[0].content.decode() == render_source(source)
    else:
        assert len(texts) <= most
    assert [decode_part(part_kind(part), encode_part(part)) for part in parts] == list(parts)


def render_source(source: str) -> str:
    """Return the Markdown as a file may carry it."""
    return source.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@settings(deadline=None)
@given(st.integers(1, 400))
def test_no_part_has_more_entities_than_telegram_shows(count: int) -> None:
    """A text dense with code is cut earlier, so that no formatting is dropped."""
    parts = split(render("`x` y " * count))
    assert all(len(part.entities) <= MAX_ENTITIES for part in parts)
    assert sum(len(part.entities) for part in parts) == count


@pytest.mark.parametrize(
    "piece",
    [
        "*",
        "_a",
        "[",
        "![",
        "`",
        "<b>",
        "<b></i>",
        "> ",
        "- ",
        "1. ",
        "[a]: b\n\n",
        "~a",
        "\\(",
        "|a",
        "||",
        "&",
        "a\n> ",
        "[a](b ",
    ],
)
def test_hostile_markdown_takes_bounded_time(piece: str) -> None:
    """Ten thousand characters of any mark are rendered and split in well under a second or two."""
    started = time.perf_counter()
    split(render(piece * (10_000 // len(piece))))
    assert time.perf_counter() - started < 3
