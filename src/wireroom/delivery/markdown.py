"""Reads Markdown into a flat list of events, without what CommonMark would silently hide.

Three things that agents write would vanish in a plain reading: `Vec<String>` (an HTML tag), `[INFO]: done` (a
definition that nothing refers to) and `~5` to `~10` (struck out). They come out of here as text.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

STYLE_TAGS = {
    "b": "bold",
    "strong": "bold",
    "summary": "bold",
    "kbd": "bold",
    "code": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
}
"""HTML that is honoured when it is closed in the same block; all other HTML is shown as it was typed."""

STYLES = {"Strong": "bold", "Emphasis": "italic", "Strikethrough": "strikethrough"}
"""The parser's styles by the entity that they become."""

CONTAINERS = frozenset(
    {
        "Paragraph",
        "Heading",
        "BlockQuote",
        "CodeBlock",
        "HtmlBlock",
        "List",
        "Item",
        "Table",
        "TableHead",
        "TableRow",
        "TableCell",
        "Emphasis",
        "Strong",
        "Strikethrough",
        "Link",
        "Image",
    }
)
"""The events that have a start and an end."""

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)(?:\s[^<>]*)?/?>")
_DEFINITION = re.compile(rb"^(?:[ \t]*(?:>|[-*+]|\d{1,9}[.)]))*[ \t]*(\[)([^\]\n]*)\]:", re.MULTILINE)
_REFERENCES = frozenset({"Reference", "Collapsed", "Shortcut"})
_OPEN_TAGS_SEARCHED = 8

LINE_END = "LineEnd"
"""The end of a line in an HTML block: what follows, if anything does, starts on its own line."""


class Event(NamedTuple):
    """One step through the document."""

    kind: str
    """"Text", "Code" …; of a container its name at the start and with a slash at the end: "List", "/List"."""
    data: Any = None
    """The text of a leaf, the attributes of a container; of a style the name of the entity."""
    start: int = 0
    """The byte of the source where it begins."""
    end: int = 0


def read_events(markdown: str) -> tuple[bytes, list[Event]]:
    """Return the source as UTF-8, in which the events count their bytes, and the events.

    Args:
        markdown: Text without lone surrogates.
    """
    source = markdown.encode()
    events = _parse(source)
    if hidden := _hidden_definitions(source, events):
        source = _escape(source, hidden)
        events = _parse(source)
    return source, _html_as_styles(_single_tildes_as_text(source, events))


def _parse(source: bytes) -> list[Event]:
    import pyromark  # noqa: PLC0415 - 7 ms, and many processes never render

    extensions = (
        pyromark.Options.ENABLE_TABLES
        | pyromark.Options.ENABLE_STRIKETHROUGH
        | pyromark.Options.ENABLE_TASKLISTS
    )
    ranged = pyromark.events_with_range(source.decode(), options=extensions, merge_text=True)
    return [_event(event, where["start"], where["end"]) for event, where in ranged]


def _event(parsed: Any, start: int, end: int) -> Event:
    """Flatten the parser's nesting: {"Start": {"List": 1}} becomes ("List", 1), {"End": "Item"} "/Item"."""
    if isinstance(parsed, str):
        return Event(parsed, None, start, end)
    [(kind, data)] = parsed.items()
    if kind not in {"Start", "End"}:
        return Event(kind, data, start, end)
    name, attributes = (data, None) if isinstance(data, str) else next(iter(data.items()))
    if kind == "End":
        return Event("/" + name, STYLES.get(name), start, end)
    return Event(name, STYLES.get(name, attributes), start, end)


def _hidden_definitions(source: bytes, events: Iterable[Event]) -> list[int]:
    """Return the bytes where a link definition starts whose label no link uses."""
    found = list(_DEFINITION.finditer(source))
    if not found:
        return []
    used, literal = set(), []
    for event in events:
        if event.kind in {"Link", "Image"} and event.data["link_type"] in _REFERENCES:
            used.add(_label(event.data["id"]))
        elif event.kind in {"CodeBlock", "Code", "HtmlBlock"}:
            literal.append((event.start, event.end))
    return [
        match.start(1)
        for match in found
        if _label(match[2].decode()) not in used and not _is_inside(match.start(1), literal)
    ]


def _is_inside(position: int, ranges: list[tuple[int, int]]) -> bool:
    index = bisect_right(ranges, position, key=itemgetter(0)) - 1
    return index >= 0 and position < ranges[index][1]


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()


def _escape(source: bytes, positions: list[int]) -> bytes:
    bounds = [0, *positions, len(source)]
    return b"\\".join(source[first:last] for first, last in pairwise(bounds))


def _single_tildes_as_text(source: bytes, events: list[Event]) -> list[Event]:
    if b"~" not in source:
        return events
    read, single = [], []
    for event in events:
        if event.kind == "Strikethrough":
            single.append(source[event.start + 1 : event.start + 2] != b"~")
            read.append(Event("Text", "~", event.start) if single[-1] else event)
        elif event.kind == "/Strikethrough":
            read.append(Event("Text", "~", event.start) if single.pop() else event)
        else:
            read.append(event)
    return read


def _html_as_styles(events: list[Event]) -> list[Event]:
    read: list[Event] = []
    # For each open container, the formatting tags that wait for their other half.
    waiting: list[list[tuple[str, int]]] = [[]]
    for event in events:
        if event.kind in {"InlineHtml", "Html"}:
            _read_html(event, read, waiting[-1])
            continue
        if event.kind.startswith("/"):
            waiting.pop()
        elif event.kind in CONTAINERS:
            waiting.append([])
        read.append(event)
    return read


def _read_html(event: Event, read: list[Event], waiting: list[tuple[str, int]]) -> None:
    """Append the piece of HTML as text, and as styles where both halves of a known pair are there."""
    html, position = event.data, 0
    for match in _TAG.finditer(html):
        _read_text(html[position : match.start()], read)
        position = match.end()
        name, closing = match[2].lower(), bool(match[1])
        style = STYLE_TAGS.get(name)
        if name == "br":
            read.append(Event("HardBreak"))
        elif style and closing and (opened := _take_opened(name, waiting)) is not None:
            read[opened] = Event("Style", style)
            read.append(Event("/Style", style))
        elif not (event.kind == "Html" and name == "details"):
            if style and not closing:
                waiting.append((name, len(read)))
            _read_text(match[0], read)
    _read_text(html[position:], read)


def _read_text(text: str, read: list[Event]) -> None:
    if line := text.rstrip("\n"):
        read.append(Event("Text", line))
    if len(line) < len(text):
        read.append(Event(LINE_END))


def _take_opened(name: str, waiting: list[tuple[str, int]]) -> int | None:
    """Return where the latest tag of this name was opened, and forget it and what was opened after it."""
    for index in range(len(waiting) - 1, max(-1, len(waiting) - 1 - _OPEN_TAGS_SEARCHED), -1):
        if waiting[index][0] == name:
            opened = waiting[index][1]
            del waiting[index:]
            return opened
    return None
