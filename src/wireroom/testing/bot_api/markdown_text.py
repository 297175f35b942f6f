"""Telegram's MarkdownV2, strict about what must be escaped. Pure.

Bold, italic, underline, strikethrough, spoiler, code, pre with a language, links, custom emoji and block
quotations are read. Two liberties of the real reader are not taken: `**` as an empty separator and dates.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wireroom.testing.bot_api.errors import ApiRefusal, cannot_parse
from wireroom.testing.bot_api.html_text import utf16_length

_MARKS = {
    "*": "bold",
    "_": "italic",
    "__": "underline",
    "~": "strikethrough",
    "||": "spoiler",
    "`": "code",
    "```": "pre",
}
_NAMES = {"text_link": "TextUrl", "custom_emoji": "CustomEmoji", "pre": "Pre"}
_SPECIAL = re.compile(r"\\[\x01-\x7e]|```|`|__|\|\||!\[|[_*\[\]()~>#+\-=|{}.!\n]")
_IN_CODE = re.compile(r"\\[\x01-\x7e]|```|`")
_LANGUAGE = re.compile(r"([^\s`]*)\n")
_CUSTOM_EMOJI = re.compile(r"tg://emoji\?id=(\d+)")


@dataclass(slots=True)
class _Open:
    kind: str
    mark: str
    offset: int
    at: int
    text_index: int
    language: str = ""


def parse_markdown(source: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the plain text and its entities, in the order of their ends.

    Raises:
        ApiRefusal: 400 "can't parse entities: ..."; offsets in it count bytes of UTF-8.
            Source: Telegram Bot API, MarkdownV2 style.
    """
    return _Reader(source).read()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._pieces: list[str] = []
        self._offset = 0
        self._open: list[_Open] = []
        self._entities: list[dict[str, Any]] = []
        self._quote: int | None = None

    def read(self) -> tuple[str, list[dict[str, Any]]]:
        at = 0
        while True:
            if self._starts_quote_line(at):
                at += 1
            found = self._pattern().search(self._source, at)
            if found is None:
                break
            self._say(self._source[at : found.start()])
            at = self._mark(found.group(), found.start(), found.end())
        self._say(self._source[at:])
        self._end_quote()
        if self._open:
            last = self._open[-1]
            name = _NAMES.get(last.kind, last.kind.capitalize())
            raise self._fail(f"Can't find end of {name} entity", last.at)
        return "".join(self._pieces), self._entities

    def _pattern(self) -> re.Pattern[str]:
        return _IN_CODE if self._open and self._open[-1].kind in {"code", "pre"} else _SPECIAL

    def _say(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._offset += utf16_length(text)

    def _fail(self, reason: str, at: int) -> ApiRefusal:
        return cannot_parse(f"{reason} at byte offset {len(self._source[:at].encode())}")

    def _starts_quote_line(self, at: int) -> bool:
        """Open or go on with a quotation when a line starts with `>`; end it when a line does not."""
        at_line_start = at == 0 or self._source[at - 1] == "\n"
        if not at_line_start or self._pattern() is _IN_CODE:
            return False
        if not self._source.startswith(">", at):
            self._end_quote()
            return False
        if self._quote is None:
            self._quote = self._offset
        return True

    def _end_quote(self) -> None:
        if self._quote is not None and self._offset > self._quote:
            length = self._offset - self._quote
            self._entities.append({"type": "blockquote", "offset": self._quote, "length": length})
        self._quote = None

    def _mark(self, mark: str, at: int, end: int) -> int:
        if mark == "\n":
            self._say(mark)
            return end
        if mark[0] == "\\":
            self._say(mark[1])
            return end
        if self._open and self._open[-1].mark == mark:
            return self._close(self._open.pop(), end)
        if self._pattern() is _IN_CODE:
            self._say(mark)
            return end
        return self._start(mark, at, end)

    def _start(self, mark: str, at: int, end: int) -> int:
        index = len(self._pieces)
        if mark in {"[", "!["}:
            kind = "text_link" if mark == "[" else "custom_emoji"
            self._open.append(_Open(kind, "]", self._offset, at, index))
            return end
        kind = _MARKS.get(mark, "")
        if not kind:
            raise cannot_parse(f"Character '{mark}' is reserved and must be escaped with the preceding '\\'")
        opened = _Open(kind, mark, self._offset, at, index)
        if kind == "pre" and (language := _LANGUAGE.match(self._source, end)):
            opened.language = language.group(1)
            end = language.end()
        self._open.append(opened)
        return end

    def _close(self, opened: _Open, end: int) -> int:
        entity: dict[str, Any] = {
            "type": opened.kind,
            "offset": opened.offset,
            "length": self._offset - opened.offset,
        }
        if opened.language:
            entity["language"] = opened.language
        if opened.mark == "]":
            url, end = self._url(opened, end)
            entity |= _target(opened.kind, url or "".join(self._pieces[opened.text_index :]))
        if entity["length"] > 0:
            self._entities.append(entity)
        return end

    def _url(self, opened: _Open, at: int) -> tuple[str, int]:
        if not self._source.startswith("(", at):
            return "", at
        pieces: list[str] = []
        begin = at
        at += 1
        while at < len(self._source) and self._source[at] != ")":
            if self._source[at] == "\\" and at + 1 < len(self._source):
                at += 1
            pieces.append(self._source[at])
            at += 1
        if at >= len(self._source):
            what = "a URL" if opened.kind == "text_link" else "a custom emoji URL"
            raise self._fail(f"Can't find end of {what}", begin)
        return "".join(pieces), at + 1


def _target(kind: str, url: str) -> dict[str, Any]:
    if kind == "text_link":
        return {"url": url}
    emoji = _CUSTOM_EMOJI.fullmatch(url)
    if emoji is None:
        raise cannot_parse("Custom emoji URL must have an emoji identifier")
    return {"custom_emoji_id": emoji.group(1)}
