"""Markdown, as coding agents write it, to text with Telegram's message entities.

Entities need no escaping, so Telegram can never say "can't parse entities" (docs/adr/0005). Nothing that the
agent wrote is dropped: what has no counterpart in Telegram is shown as text. Pure. `delivery.markdown` reads,
`delivery.text_builder` keeps the rules of nesting, `delivery.split` cuts the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from wireroom.delivery.clean import whole_characters
from wireroom.delivery.markdown import LINE_END, Event, read_events
from wireroom.delivery.tables import aligned, fits_phone, records
from wireroom.delivery.text_builder import TextBuilder
from wireroom.telegram.types import MessageEntity

BULLET = "•"
DONE = "✅"
OPEN = "☐"
RULE = "———"

DEEPEST_INDENT = 8
"""Levels of nesting that are shown; without an end, n nested lists would make n * n spaces."""

_SCOPES = {"Heading": "bold", "BlockQuote": "blockquote"}

_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")
LINKABLE = re.compile(r"https?://[^\s/:?#]+\.[^\s/:?#]+\S*|tg://\S+", re.IGNORECASE)
"""What Telegram accepts as the target of a link; it silently drops others, such as localhost and paths."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A text and how it is formatted; offsets count UTF-16 code units."""

    text: str
    entities: tuple[MessageEntity, ...] = ()

    @property
    def plain(self) -> str:
        """The text without formatting, with the targets of links written out; always acceptable as text."""
        return plain_text(self)


def plain_text(rendered: Rendered) -> str:
    """Return the text with each link's target in brackets after its label, unless the label is the target."""
    links = [entity for entity in rendered.entities if entity.url]
    if not links:
        return rendered.text
    units = rendered.text.encode("utf-16-le")
    pieces, position = [], 0
    for link in links:
        end = 2 * (link.offset + link.length)
        pieces.append(units[position:end].decode("utf-16-le"))
        if units[2 * link.offset : end].decode("utf-16-le") != link.url:
            pieces.append(f" ({link.url})")
        position = end
    return "".join([*pieces, units[position:].decode("utf-16-le")])


def render(markdown: str) -> Rendered:
    """Return the Markdown as Telegram shows it best.

    Headings are bold, lists have bullets and indentation, tables are aligned in monospace or, when too wide
    for a phone, become a small block per row. The text has no blank lines at its start or end.
    """
    text = whole_characters(markdown).replace("\r\n", "\n").replace("\r", "\n")
    source, events = read_events(text)
    walker = _Walker(source)
    for event in events:
        walker.take(event)
    return Rendered(*walker.out.finish())


@dataclass(slots=True)
class _Link:
    url: str
    linked: bool
    mark: int


@dataclass(slots=True)
class _Table:
    right: list[bool]
    rows: list[list[str]] = field(default_factory=list)


class _Walker:
    """Turns one event after another into writing; blocks ask for their distance when they begin."""

    def __init__(self, source: bytes) -> None:
        self.out = TextBuilder()
        self._source = source
        self._lists: list[int | None] = []
        self._marker: str | None = None
        """What the next writing in a list item starts with."""
        self._links: list[_Link] = []
        self._code: list[str] | None = None
        self._language: str | None = None
        self._table: _Table | None = None
        self._page = self.out
        """The builder of the text itself while `out` collects a table cell."""

    def take(self, event: Event) -> None:
        """Write what the event stands for."""
        match event.kind:
            case "Text":
                self._write(event.data)
            case "Code":
                self._flush_marker()
                self.out.write_code(event.data)
            case "SoftBreak" | "HardBreak":
                self._write(" " if self._in_cell else "\n")
            case "Strong" | "Emphasis" | "Strikethrough" | "Style":
                self._flush_marker()
                self.out.open(event.data)
            case "/Strong" | "/Emphasis" | "/Strikethrough" | "/Style":
                self.out.close(event.data)
            case "Link" | "Image":
                self._begin_link(event.data["dest_url"], event.data["link_type"])
            case "/Link" | "/Image":
                self._end_link(event.kind)
            case _:
                self._take_block(event)

    def _take_block(self, event: Event) -> None:
        match event.kind:
            case "Paragraph" | "HtmlBlock":
                self._begin_block()
            case "Item":
                self._begin_item()
            case "/Item":
                self._flush_marker()
            case "List":
                self._begin_list(event)
            case "/List":
                self._lists.pop()
            case "TaskListMarker":
                self._marker = f"{self._indent(1)}{DONE if event.data else OPEN} "
            case "Heading" | "BlockQuote" as kind:
                self._begin_block()
                self._flush_marker()
                self.out.open(_SCOPES[kind])
            case "/Heading" | "/BlockQuote" as kind:
                self.out.close(_SCOPES[kind[1:]])
            case _:
                self._take_monospace(event)

    def _take_monospace(self, event: Event) -> None:
        match event.kind:
            case "CodeBlock":
                self._begin_unindented()
                self._code = []
                self._language = language_of(event.data)
            case "/CodeBlock":
                self._end_code_block()
            case "Table":
                self._begin_unindented()
                self._table = _Table([alignment == "Right" for alignment in event.data])
            case "TableHead" | "TableRow":
                self._rows.append([])
            case "TableCell":
                self.out = TextBuilder()
            case "/TableCell":
                self._rows[-1].append(" ".join(self.out.finish()[0].split()))
                self.out = self._page
            case "/Table":
                self._end_table()
            case "Rule":
                self._begin_block()
                self._write(RULE)
            case kind if kind == LINE_END:
                self.out.lines(1)

    @property
    def _in_cell(self) -> bool:
        return self.out is not self._page

    def _write(self, text: str) -> None:
        if self._code is not None:
            self._code.append(text)
            return
        self._flush_marker()
        self.out.write(text)

    def _flush_marker(self) -> None:
        if self._marker is not None:
            marker, self._marker = self._marker, None
            self.out.write(marker)

    def _begin_block(self) -> None:
        """Ask for the distance to the block before; an item's first block stands beside its marker."""
        if not self._lists:
            self.out.lines(2)
        elif self._marker is None:
            self.out.lines(1)
            self._marker = self._indent(0)

    def _begin_unindented(self) -> None:
        self._begin_block()
        if self._marker is not None and not self._marker.isspace():
            self._flush_marker()
        self._marker = None

    def _begin_list(self, event: Event) -> None:
        if self._lists:
            self._flush_marker()
        else:
            self.out.lines(2 if _blank_line_before(self._source, event.start) else 1)
        self._lists.append(event.data)

    def _begin_item(self) -> None:
        self._flush_marker()
        self.out.lines(1)
        number = self._lists[-1]
        self._marker = f"{self._indent(1)}{BULLET if number is None else f'{number}.'} "
        if number is not None:
            self._lists[-1] = number + 1

    def _indent(self, levels_out: int) -> str:
        return "  " * min(len(self._lists) - levels_out, DEEPEST_INDENT)

    def _begin_link(self, url: str, link_type: str) -> None:
        self._flush_marker()
        # Telegram finds e-mail addresses in a text by itself.
        url = "" if link_type == "Email" else url
        linked = not self._in_cell and LINKABLE.fullmatch(url) is not None
        if linked:
            self.out.open("text_link", url)
        self._links.append(_Link(url, linked, self.out.mark()))

    def _end_link(self, kind: str) -> None:
        link = self._links.pop()
        label = self.out.since(link.mark)
        if not label and kind == "/Image":
            label = "image"
            self.out.write(label)
        if link.linked:
            self.out.close("text_link")
        if link.url and label != link.url and (not link.linked or not label):
            self.out.write(f" ({link.url})" if label else link.url)

    def _end_code_block(self) -> None:
        code = "".join(self._code or []).strip("\n")
        self._code = None
        self.out.write_code(code, "pre", self._language)

    @property
    def _rows(self) -> list[list[str]]:
        assert self._table is not None  # noqa: S101 - the parser nests rows in tables
        return self._table.rows

    def _end_table(self) -> None:
        assert self._table is not None  # noqa: S101 - the parser pairs start and end
        table, self._table = self._table, None
        if fits_phone(table.rows):
            self.out.write_code(aligned(table.rows, table.right), "pre")
            return
        for record in records(table.rows):
            self.out.lines(2)
            for name, cell in record:
                self._write_field(name, cell)

    def _write_field(self, name: str, cell: str) -> None:
        self.out.lines(1)
        if name:
            self.out.open("bold")
            self.out.write(f"{name}:")
            self.out.close("bold")
            self.out.write(" ")
        self.out.write(cell)


def language_of(kind: Any) -> str | None:
    """Return the language that the parser found for a block of code: {"Fenced": "python"}."""
    match kind:
        case {"Fenced": info}:
            named = _LANGUAGE.match(info.strip())
            return named[0] if named else None
        case _:
            return None


def _blank_line_before(source: bytes, start: int) -> bool:
    """Return whether the line before the one that contains byte `start` is blank, quote marks aside."""
    line_start = source.rfind(b"\n", 0, start) + 1
    previous = source[source.rfind(b"\n", 0, max(0, line_start - 1)) + 1 : line_start]
    return not previous.strip(b" \t>\n")
