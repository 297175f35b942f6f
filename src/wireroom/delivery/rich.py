"""Markdown, as coding agents write it, to the blocks of a rich message. Pure.

The events are those of text (`delivery.markdown`), so nothing is dropped here either. What exceeds a limit
gives no blocks, and the answer goes out as text. `delivery.rich_text` has what stands within a line.
"""

from __future__ import annotations

from typing import Any

from wireroom.delivery.clean import whole_characters
from wireroom.delivery.markdown import LINE_END, Event, read_events
from wireroom.delivery.render import language_of
from wireroom.delivery.rich_limits import MAX_DEPTH, Block, TooRich, fits
from wireroom.delivery.rich_text import Line

_DIFFS = frozenset({"diff", "patch"})
_LONG_DIFF_LINES = 20
"""A diff of more lines is folded."""
_NO_TEXT = "\u00a0"
"""Keeps an empty cell in its place: one without text is not drawn."""
_ALIGN = {"Center": "center", "Right": "right"}
_INLINE = frozenset(
    {
        *("Text", "Code", "SoftBreak", "HardBreak", LINE_END),
        *(
            f"{slash}{name}"
            for name in ("Strong", "Emphasis", "Strikethrough", "Style")
            for slash in ("", "/")
        ),
        *("Link", "/Link", "Image", "/Image"),
    }
)


def rich_blocks(markdown: str) -> tuple[Block, ...] | None:
    """Return the blocks that show the Markdown; None for more than one rich message holds, or nothing to see.

    Returns:
        Such as ({"type": "heading", "text": "Done", "size": 2}, {"type": "paragraph", "text": "…"}).
    """
    text = whole_characters(markdown).replace("\r\n", "\n").replace("\r", "\n")
    walker = _Walker()
    try:
        for event in read_events(text)[1]:
            walker.take(event)
        blocks = tuple(walker.finish())
    except TooRich:
        return None
    return blocks if fits(blocks) else None


class _Walker:
    """Takes events in their order and grows the blocks."""

    def __init__(self) -> None:
        self._levels: list[list[Block]] = [[]]
        """The blocks of the document, and of each quote and item that is open."""
        self._lists: list[tuple[list[Block], int | None]] = []
        """Of each open list its items, and the number of its next one."""
        self._line: Line | None = None
        self._heading_size = 1
        self._code: list[str] | None = None
        self._language: str | None = None
        self._table: _Table | None = None

    def finish(self) -> list[Block]:
        """Return the document's blocks."""
        self._end_line()
        return self._levels[0]

    def take(self, event: Event) -> None:
        if self._code is not None and event.kind == "Text":
            self._code.append(event.data)
        elif event.kind in _INLINE:
            self._line = self._line or Line()
            self._line.take(event)
        else:
            self._take_block(event)

    def _take_block(self, event: Event) -> None:
        match event.kind:
            case "Paragraph" | "HtmlBlock" | "/Paragraph" | "/HtmlBlock":
                self._end_line()
            case "Heading":
                self._end_line()
                self._heading_size = int(event.data["level"].removeprefix("H"))
            case "/Heading":
                self._end_heading()
            case "BlockQuote":
                self._open()
            case "/BlockQuote":
                self._add_with_blocks("blockquote", self._close())
            case "CodeBlock":
                self._end_line()
                self._code, self._language = [], language_of(event.data)
            case "/CodeBlock":
                self._end_code()
            case "Rule":
                self._add({"type": "divider"})
            case _:
                self._take_structure(event)

    def _take_structure(self, event: Event) -> None:
        match event.kind:
            case "List":
                self._end_line()
                self._lists.append(([], event.data))
            case "/List":
                items, _ = self._lists.pop()
                self._add({"type": "list", "items": items})
            case "Item":
                self._open()
                items, number = self._lists[-1]
                items.append({} if number is None else {"value": number, "type": "1"})
                self._lists[-1] = (items, None if number is None else number + 1)
            case "TaskListMarker":
                self._lists[-1][0][-1] |= {"has_checkbox": True} | (
                    {"is_checked": True} if event.data else {}
                )
            case "/Item":
                # An item without content is refused, and people see its mark all the same.
                self._lists[-1][0][-1]["blocks"] = self._close() or [{"type": "paragraph", "text": _NO_TEXT}]
            case _:
                self._take_table(event)

    def _take_table(self, event: Event) -> None:
        match event.kind:
            case "Table":
                self._end_line()
                self._table = _Table([_ALIGN.get(name, "left") for name in event.data])
            case "TableHead" | "TableRow":
                self._of_table.begin_row(is_header=event.kind == "TableHead")
            case "/TableCell":
                self._of_table.add(self._line)
                self._line = None
            case "/Table":
                rows, self._table = self._of_table.rows, None
                self._add({"type": "table", "cells": rows, "is_bordered": True})

    @property
    def _of_table(self) -> _Table:
        assert self._table is not None  # noqa: S101 - the parser nests rows in tables
        return self._table

    def _add(self, block: Block) -> None:
        self._end_line()
        self._levels[-1].append(block)

    def _add_with_blocks(self, kind: str, blocks: list[Block]) -> None:
        if blocks:
            self._add({"type": kind, "blocks": blocks})

    def _open(self) -> None:
        if len(self._levels) > MAX_DEPTH:
            raise TooRich
        self._end_line()
        self._levels.append([])

    def _close(self) -> list[Block]:
        self._end_line()
        return self._levels.pop()

    def _end_line(self) -> None:
        line, self._line = self._line, None
        if line is not None and line.is_seen:
            self._levels[-1].append({"type": "paragraph", "text": line.finish()})

    def _end_heading(self) -> None:
        line, self._line = self._line, None
        if line is not None and line.is_seen:
            heading = {"type": "heading", "text": line.finish(), "size": self._heading_size}
            self._levels[-1].append(heading)

    def _end_code(self) -> None:
        code, self._code = "".join(self._code or []).strip("\n"), None
        if not code.strip():
            return
        block: Block = {"type": "pre", "text": code} | (
            {"language": self._language} if self._language else {}
        )
        if self._language in _DIFFS and code.count("\n") >= _LONG_DIFF_LINES:
            block = {"type": "details", "summary": _sum_of(code), "blocks": [block]}
        self._add(block)


class _Table:
    """The rows of one table, each as long as the header."""

    def __init__(self, align: list[str]) -> None:
        self._align = align
        self.rows: list[list[dict[str, Any]]] = []
        self._is_header = False

    def begin_row(self, *, is_header: bool) -> None:
        self._is_header = is_header
        self.rows.append([])

    def add(self, line: Line | None) -> None:
        row = self.rows[-1]
        text = line.finish() if line is not None and line.is_seen else _NO_TEXT
        align = self._align[len(row)] if len(row) < len(self._align) else "left"
        cell = {"text": text, "align": align, "valign": "top"}
        row.append(cell | ({"is_header": True} if self._is_header else {}))


def _sum_of(diff: str) -> str:
    """Return what a folded diff is about: "Diff: +12 -3"."""
    lines = diff.split("\n")
    added = sum(line.startswith("+") and not line.startswith("+++") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("---") for line in lines)
    return f"Diff: +{added} -{removed}"
