"""An agent's answer as HTML that a page may show. Pure.

Read by the same rules as for Telegram (`delivery.markdown`), so nothing that the agent wrote is hidden. Only
the tags written here ever come out: HTML in the answer is formatting that is known or else text, links lead
to the web or a mailbox, and pictures become links, since loading one would tell its server who reads.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from typing import Any

from wireroom.delivery.clean import whole_characters
from wireroom.delivery.markdown import CONTAINERS, LINE_END, Event, read_events

DEEPEST = 30
"""Levels of nesting that are shown; deeper ones are flat."""

_REMEMBERED = 128
_LINKABLE = re.compile(r"(?:https?://|mailto:)\S+", re.IGNORECASE)
_OUTSIDE = 'target="_blank" rel="noopener noreferrer nofollow"'
_BREAK = "<br>"
_PLAIN = {
    "Paragraph": "p",
    "HtmlBlock": "p",
    "BlockQuote": "blockquote",
    "List": "ul",
    "Item": "li",
    "Strong": "strong",
    "Emphasis": "em",
    "Strikethrough": "s",
}
_STYLES = {"bold": "strong", "italic": "em", "underline": "u", "strikethrough": "s"}
_SIDES = {"Right": ' class="right"', "Center": ' class="center"'}


@lru_cache(maxsize=_REMEMBERED)
def render_answer(markdown: str) -> str:
    """Return the answer as HTML; the last ones are remembered, since an ended run's answer never changes."""
    text = whole_characters(markdown).replace("\r\n", "\n").replace("\r", "\n")
    writer = _Writer()
    for event in read_events(text)[1]:
        writer.take(event)
    return "".join(writer.pieces)


@dataclass(frozen=True, slots=True)
class _Open:
    """A container that has begun."""

    closer: str
    mark: int
    """How many pieces there were when it had begun."""
    label: str = ""
    """Stands for a link or picture that says nothing itself."""


class _Writer:
    """Turns one event after another into pieces of HTML."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._open: list[_Open] = []
        self._in_link = 0
        self._sides: tuple[str, ...] = ()
        self._column = 0
        self._cell = "td"

    def take(self, event: Event) -> None:
        """Write what the event stands for."""
        kind = event.kind
        if kind.startswith("/"):
            self._end(kind[1:])
        elif kind in CONTAINERS or kind == "Style":
            self._begin(event)
        else:
            self.pieces.append(self._leaf(event))

    def _leaf(self, event: Event) -> str:
        match event.kind:
            case "Code":
                return f"<code>{escape(event.data)}</code>"
            case "SoftBreak" | "HardBreak":
                return _BREAK
            case "Rule":
                return "<hr>"
            case "TaskListMarker":
                return "☑ " if event.data else "☐ "
            case kind if kind == LINE_END:
                return _BREAK
            case _:
                return escape(event.data) if isinstance(event.data, str) else ""

    def _begin(self, event: Event) -> None:
        label = ""
        if event.kind in {"Link", "Image"}:
            opener, closer, label = self._link(event)
        elif len(self._open) >= DEEPEST:
            opener, closer = "", " "
        else:
            opener, closer = self._tags(event)
        self.pieces.append(opener)
        self._open.append(_Open(closer, len(self.pieces), label))

    def _end(self, kind: str) -> None:
        opened = self._open.pop()
        if kind == "HtmlBlock" and self.pieces[-1] == _BREAK:
            self.pieces.pop()
        if len(self.pieces) == opened.mark:
            self.pieces.append(opened.label)
        if opened.closer == "</a>":
            self._in_link -= 1
        self.pieces.append(opened.closer)

    def _tags(self, event: Event) -> tuple[str, str]:
        match event.kind:
            case "Heading":
                return _pair(event.data["level"].lower())
            case "List" if event.data is not None:
                return f'<ol start="{int(event.data)}">', "</ol>"
            case "CodeBlock":
                return "<pre><code>", "</code></pre>"
            case "Style":
                return _pair(_STYLES.get(event.data))
            case "Table" | "TableHead" | "TableRow" | "TableCell":
                return self._table_tags(event)
            case kind:
                return _pair(_PLAIN.get(kind))

    def _table_tags(self, event: Event) -> tuple[str, str]:
        match event.kind:
            case "Table":
                self._sides = tuple(event.data)
                return "<table>", "</tbody></table>"
            case "TableHead":
                self._column, self._cell = 0, "th"
                return "<thead><tr>", "</tr></thead><tbody>"
            case "TableRow":
                self._column, self._cell = 0, "td"
                return "<tr>", "</tr>"
        side = _SIDES.get(self._sides[self._column], "") if self._column < len(self._sides) else ""
        self._column += 1
        return f"<{self._cell}{side}>", f"</{self._cell}>"

    def _link(self, event: Event) -> tuple[str, str, str]:
        """Return what opens and closes a link or picture, and what stands for an empty one."""
        url = _address(event.data)
        label = escape(url) if event.kind == "Link" else "image"
        if not _LINKABLE.fullmatch(url):
            return "", f" ({escape(url)})" if url else "", label
        if self._in_link:
            return "", "", label
        self._in_link += 1
        return f'<a href="{escape(url)}" {_OUTSIDE}>', "</a>", label


def _address(link: dict[str, Any]) -> str:
    url = str(link["dest_url"])
    return f"mailto:{url}" if link["link_type"] == "Email" else url


def _pair(tag: str | None) -> tuple[str, str]:
    return (f"<{tag}>", f"</{tag}>") if tag else ("", "")
