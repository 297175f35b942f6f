"""Telegram's HTML: a strict reader of the supported tags, with the errors of the real one. Pure.

Neighbours: `markdown_text` for MarkdownV2, `text` for the rules that hold after parsing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wireroom.testing.bot_api.errors import ApiRefusal, cannot_parse

_ENTITY_OF_TAG = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_SPECIAL = re.compile(r"[<&]")
_TAG_NAME = re.compile(r"[^\s>]*")
_SPACES = re.compile(r"\s*")
_ATTRIBUTE_NAME = re.compile(r"[^\s=>\"'/]*")
_NAME_TOKEN = re.compile(r"[A-Za-z0-9.-]*")
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|amp|quot)(?![A-Za-z]));?")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 code units, the unit of every offset in the Bot API."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True, slots=True)
class _OpenTag:
    name: str
    attributes: dict[str, str]
    offset: int
    text_index: int


def parse_html(source: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the plain text and its entities, in the order of their ends.

    Raises:
        ApiRefusal: 400 "can't parse entities: ..."; offsets in it count bytes of UTF-8.
            Source: Telegram Bot API, HTML style.
    """
    if _SPECIAL.search(source) is None:
        return source, []
    return _Reader(source).read()


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._pieces: list[str] = []
        self._offset = 0
        self._open: list[_OpenTag] = []
        self._entities: list[dict[str, Any]] = []

    def read(self) -> tuple[str, list[dict[str, Any]]]:
        at = 0
        while found := _SPECIAL.search(self._source, at):
            self._say(self._source[at : found.start()])
            at = self._special(found.start())
        self._say(self._source[at:])
        if self._open:
            raise cannot_parse(f"Can't find end tag corresponding to start tag {self._open[-1].name}")
        for entity in self._entities:
            if entity["type"] == "code":
                entity.pop("language", None)
        return "".join(self._pieces), self._entities

    def _special(self, at: int) -> int:
        if self._source[at] == "&":
            text, after = _reference(self._source, at)
            self._say(text)
            return after
        if self._source.startswith("/", at + 1):
            return self._end_tag(at)
        return self._start_tag(at)

    def _say(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            self._offset += utf16_length(text)

    def _fail(self, reason: str, at: int) -> ApiRefusal:
        return cannot_parse(f"{reason} at byte offset {len(self._source[:at].encode())}")

    def _start_tag(self, begin: int) -> int:
        match = _TAG_NAME.match(self._source, begin + 1)
        name = match.group().lower() if match else ""
        at = begin + 1 + len(name)
        if at >= len(self._source):
            raise self._fail("Unclosed start tag", begin)
        if name not in _ENTITY_OF_TAG:
            raise self._fail(f'Unsupported start tag "{name}"', begin)
        attributes, after = self._attributes(name, begin, at)
        if name == "span" and attributes.get("class") != "tg-spoiler":
            raise self._fail('Tag "span" must have class "tg-spoiler"', begin)
        self._open.append(_OpenTag(name, attributes, self._offset, len(self._pieces)))
        return after

    def _attributes(self, tag: str, begin: int, at: int) -> tuple[dict[str, str], int]:
        attributes: dict[str, str] = {}
        while True:
            at = _skip(_SPACES, self._source, at)
            if at >= len(self._source):
                raise self._fail("Unclosed start tag", begin)
            if self._source[at] == ">":
                return attributes, at + 1
            name_end = _skip(_ATTRIBUTE_NAME, self._source, at)
            name = self._source[at:name_end].lower()
            if not name:
                raise self._fail(f'Empty attribute name in the tag "{tag}"', begin)
            attributes[name], at = self._attribute_value(tag, name, begin, name_end)

    def _attribute_value(self, tag: str, name: str, begin: int, at: int) -> tuple[str, int]:
        equals = _skip(_SPACES, self._source, at)
        if not self._source.startswith("=", equals):
            if (tag, name) == ("blockquote", "expandable"):
                return "", at
            if equals >= len(self._source):
                raise self._fail("Unclosed start tag", begin)
            raise self._fail(f'Expected equal sign in declaration of an attribute of the tag "{tag}"', begin)
        at = _skip(_SPACES, self._source, equals + 1)
        quote = self._source[at : at + 1]
        if quote in {'"', "'"}:
            end = self._source.find(quote, at + 1)
            if end < 0:
                raise self._fail("Unclosed start tag", begin)
            return _decode(self._source[at + 1 : end]), end + 1
        end = _skip(_NAME_TOKEN, self._source, at)
        if end < len(self._source) and not self._source[end].isspace() and self._source[end] != ">":
            raise self._fail("Unexpected end of name token", at)
        return self._source[at:end].lower(), end

    def _end_tag(self, begin: int) -> int:
        if not self._open:
            raise self._fail("Unexpected end tag", begin)
        name_end = _skip(_TAG_NAME, self._source, begin + 2)
        at = _skip(_SPACES, self._source, name_end)
        if not self._source.startswith(">", at):
            raise self._fail("Unclosed end tag", begin)
        tag = self._open.pop()
        found = self._source[begin + 2 : name_end].lower()
        if found not in {"", tag.name}:
            place = len(self._source[:begin].encode())
            raise cannot_parse(
                f'Unmatched end tag at byte offset {place}, expected "</{tag.name}>", found "</{found}>"'
            )
        if self._offset > tag.offset:
            self._close(tag)
        return at + 1

    def _close(self, tag: _OpenTag) -> None:
        entity: dict[str, Any] = {
            "type": _ENTITY_OF_TAG[tag.name],
            "offset": tag.offset,
            "length": self._offset - tag.offset,
        }
        if tag.name == "a":
            entity["url"] = tag.attributes.get("href") or "".join(self._pieces[tag.text_index :])
        elif tag.name == "tg-emoji":
            entity["custom_emoji_id"] = _custom_emoji(tag.attributes)
        elif tag.name == "tg-time":
            entity |= _date_time(tag.attributes)
        elif tag.name == "blockquote" and "expandable" in tag.attributes:
            entity["type"] = "expandable_blockquote"
        elif tag.name == "code" and (language := tag.attributes.get("class", "")).startswith("language-"):
            entity["language"] = language.removeprefix("language-")
        elif tag.name == "pre" and self._entities and _is_whole_code(self._entities[-1], entity):
            entity["language"] = self._entities.pop()["language"]
        self._entities.append(entity)


def _is_whole_code(inner: dict[str, Any], outer: dict[str, Any]) -> bool:
    place = (inner["offset"], inner["length"])
    return inner["type"] == "code" and "language" in inner and place == (outer["offset"], outer["length"])


def _custom_emoji(attributes: dict[str, str]) -> str:
    identifier = attributes.get("emoji-id", "")
    if not identifier.isdecimal() or int(identifier) == 0:
        raise cannot_parse("Invalid custom emoji identifier specified")
    return identifier


def _date_time(attributes: dict[str, str]) -> dict[str, Any]:
    if not attributes.get("unix", "").isdecimal():
        raise cannot_parse("Invalid Unix time specified")
    found: dict[str, Any] = {"unix_time": int(attributes["unix"])}
    if "format" in attributes:
        found["date_time_format"] = attributes["format"]
    return found


def _skip(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _reference(text: str, at: int) -> tuple[str, int]:
    """Return the character that the reference at `at` names; an unknown one is an ampersand as it stands."""
    match = _REFERENCE.match(text, at)
    if match is None:
        return "&", at + 1
    hexadecimal, decimal, name = match.groups()
    if name:
        return _NAMED[name], match.end()
    code = int(hexadecimal, 16) if hexadecimal else int(decimal)
    if code == 0 or code >= _LAST_CODE_POINT:
        return "&", at + 1
    if code in _SURROGATES:
        raise cannot_parse("Text contains invalid Unicode characters after decoding HTML entities")
    return chr(code), match.end()


def _decode(value: str) -> str:
    at = 0
    pieces: list[str] = []
    while (found := value.find("&", at)) >= 0:
        pieces.append(value[at:found])
        text, at = _reference(value, found)
        pieces.append(text)
    return "".join(pieces) + value[at:]
