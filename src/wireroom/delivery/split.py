"""Cuts a rendered answer into messages that Telegram takes, at places where a reader would pause.

Pure. A style, link or code block that is cut ends in one part and goes on in the next, with its language.
Offsets inside this module are characters; entities carry UTF-16 code units.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

from msgspec.structs import replace

from wireroom.delivery.clean import whole_characters
from wireroom.delivery.graphemes import cut_before
from wireroom.delivery.parts import TEXT_LIMIT, DocumentPart, Part, TextPart
from wireroom.delivery.render import Rendered, render
from wireroom.delivery.text_builder import utf16_length
from wireroom.telegram.types import MessageEntity

MAX_ENTITIES = 100
"""Telegram drops the formatting beyond this many entities in one message without a word."""

EXCERPT_LIMIT = 1000
"""UTF-16 code units of a long answer that are shown above its document."""

FILE_NAME = "answer.md"

DOCUMENT_BYTES = 49_000_000
"""The largest file that we send. Source: Telegram Bot API, sendDocument: at most 50 MB, request included."""

CERTAINLY_LONG_CHARACTERS = 100_000
"""Markdown from this length on becomes a document without being rendered as a whole first."""

_MISSING = "\n\n[… {:,} bytes are missing here …]\n\n"

_PARAGRAPH_END = re.compile(r"(?=\n\n)")
_LINE_END = re.compile(r"(?=\n)")
_SENTENCE_END = re.compile(r"[.!?…][\"')\]»”’]*(?=\s)|[。！？]")  # noqa: RUF001 - Chinese ends sentences so
_WORD_END = re.compile(r"(?=\s)")

_PLACES: Sequence[tuple[re.Pattern[str], float, bool]] = (
    (_PARAGRAPH_END, 0.3, False),
    (_LINE_END, 0.5, False),
    (_LINE_END, 0.5, True),
    (_SENTENCE_END, 0.5, False),
    (_LINE_END, 0.1, True),
    (_WORD_END, 0.1, True),
)
"""Best first: what to look for, the share of the room that the part must fill, whether code may be cut."""

_WHITESPACE = re.compile(r"\s*")
_UNSEEN = (
    r"\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\ufffc"
)
_NOTHING_SEEN = re.compile(f"[{_UNSEEN}]*")
"""A text of only these is empty for Telegram, which refuses it."""


@dataclass(frozen=True, slots=True)
class _Span:
    """An entity by its characters."""

    first: int
    last: int
    entity: MessageEntity


@dataclass(frozen=True, slots=True)
class _Cut:
    """Where a part ends and where the next begins; between them is only whitespace."""

    end: int
    next_start: int


class _Offsets:
    """Turns UTF-16 offsets into characters and back, by the characters that take two units."""

    def __init__(self, text: str) -> None:
        self._wide = [] if text.isascii() else [i for i, c in enumerate(text) if c > "\uffff"]
        self._wide_units = [place + nth for nth, place in enumerate(self._wide)]

    def character(self, units: int) -> int:
        return units - bisect_left(self._wide_units, units)

    def units(self, character: int) -> int:
        return character + bisect_left(self._wide, character)

    def furthest(self, start: int, units: int) -> int:
        """Return the character up to which a part from `start` may reach with this many units."""
        end = self.character(self.units(start) + units)
        return end if self.units(end) - self.units(start) <= units else end - 1


def split(rendered: Rendered, limit: int = TEXT_LIMIT) -> tuple[TextPart, ...]:
    """Return parts of at most `limit` UTF-16 code units that hold the text, whitespace at the cuts aside.

    `limit` is at least 2, so that any character fits. Parts in which nothing can be seen are left out, so a
    text without visible characters gives no parts.
    """
    return tuple(_parts(rendered, limit))


def as_parts(markdown: str, *, max_text_parts: int = 4, limit: int = TEXT_LIMIT) -> tuple[Part, ...]:
    """Return what to send for an answer: texts, or for a long one an excerpt and a document with everything.

    The document's bytes are the Markdown itself, up to `DOCUMENT_BYTES`: its head and tail beyond. An answer
    in which nothing can be seen gives no parts. `limit` is the UTF-16 code units in a text, at least 200.
    """
    markdown = whole_characters(markdown)
    if len(markdown) >= CERTAINLY_LONG_CHARACTERS:
        return _as_document(markdown, render(markdown[: 4 * EXCERPT_LIMIT]), limit)
    rendered = render(markdown)
    texts = tuple(islice(_parts(rendered, limit), max_text_parts + 1))
    return texts if len(texts) <= max_text_parts else _as_document(markdown, rendered, limit)


def _as_document(markdown: str, head: Rendered, limit: int) -> tuple[Part, ...]:
    content = markdown.encode()
    omitted = max(0, len(content) - DOCUMENT_BYTES)
    whole = f"The whole answer, {len(markdown):,} characters, is in {FILE_NAME}."
    part = f"The answer is too large for a chat: {FILE_NAME} leaves out {omitted:,} bytes of its middle."
    notice = f"\n…\n{part if omitted else whole}"
    room = min(limit, EXCERPT_LIMIT) - utf16_length(notice)
    excerpt = next(_parts(head, room), TextPart(""))
    text = TextPart((excerpt.text + notice).lstrip("\n"), excerpt.entities)
    return (text, DocumentPart(FILE_NAME, bounded_document(content, DOCUMENT_BYTES)))


def bounded_document(content: bytes, limit: int) -> bytes:
    """Return the UTF-8 text, or its head and its tail around a note of what is missing.

    `limit` is in bytes, above 100; the note counts. What is cut at a character's middle loses that character.
    """
    if len(content) <= limit:
        return content
    room = limit - len(_MISSING.format(len(content)).encode())
    head, tail = content[: room // 2], content[-(room // 2) :]
    kept = [part.decode(errors="ignore").encode() for part in (head, tail)]
    missing = len(content) - sum(map(len, kept))
    return _MISSING.format(missing).encode().join(kept)


def _parts(rendered: Rendered, limit: int) -> Iterator[TextPart]:
    text, offsets = rendered.text, _Offsets(rendered.text)
    spans = [
        _Span(offsets.character(entity.offset), offsets.character(entity.offset + entity.length), entity)
        for entity in rendered.entities
    ]
    code = [span for span in spans if span.entity.type == "pre"]
    # How far the spans up to each one reach: those that reach no further than `start` are behind it.
    reaches = list(accumulate((span.last for span in spans), max))
    start = 0
    while start < len(text):
        behind = bisect_right(reaches, start)
        end = _room(start, offsets.furthest(start, limit), islice(spans, behind, None))
        cut = _cut(text, start, end, code) if end < len(text) else _Cut(end, end)
        if not _NOTHING_SEEN.fullmatch(text, start, cut.end):
            yield _part(text, start, cut.end, islice(spans, behind, None), offsets)
        start = cut.next_start


def _room(start: int, end: int, spans: Iterable[_Span]) -> int:
    """Return `end`, or less when more than `MAX_ENTITIES` would stand before it."""
    inside = 0
    for span in spans:
        if span.first >= end:
            break
        inside += span.last > start
        if inside > MAX_ENTITIES and span.first > start:
            return span.first
    return end


def _cut(text: str, start: int, end: int, code: Sequence[_Span]) -> _Cut:
    """Return the best cut for a part that starts at `start` and may reach to `end`."""
    for pattern, share, code_too in _PLACES:
        least = start + max(1, int((end - start) * share))
        places = [match.end() for match in pattern.finditer(text, least, end + 2) if match.end() <= end]
        for place in reversed(places):
            if code_too or not _is_inside(place, code):
                return _around(text, start, place, in_code=_is_inside(place, code))
    place = cut_before(text, end, start)
    return _Cut(place, place)


def _is_inside(place: int, code: Sequence[_Span]) -> bool:
    """Return whether a cut here would leave code on both sides."""
    index = bisect_left(code, place, key=_first) - 1
    return index >= 0 and place < code[index].last


def _first(span: _Span) -> int:
    return span.first


def _around(text: str, start: int, place: int, *, in_code: bool) -> _Cut:
    """Return the cut without the whitespace around it.

    The next line keeps its indentation, and code keeps everything but the one line end at the cut.
    """
    if in_code:
        return _Cut(place, place + (text[place] == "\n"))
    end = start + len(text[start:place].rstrip())
    run = _WHITESPACE.match(text, place)
    after = run.end() if run else place
    return _Cut(end, text.rfind("\n", place, after) + 1 or after)


def _part(text: str, start: int, end: int, spans: Iterable[_Span], offsets: _Offsets) -> TextPart:
    base = offsets.units(start)
    entities = []
    for span in spans:
        if span.first >= end:
            break
        first, last = max(span.first, start), min(span.last, end)
        if first < last:
            at = offsets.units(first)
            entities.append(replace(span.entity, offset=at - base, length=offsets.units(last) - at))
    return TextPart(text[start:end], tuple(entities))
