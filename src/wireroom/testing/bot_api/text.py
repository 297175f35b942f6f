"""From the parameters of a call to the text that a person sees: parsing, cleaning, limits. Pure.

The order is that of the real server: clean, parse, check the entities, trim, then measure.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from wireroom.testing.bot_api.errors import bad_request, cannot_parse
from wireroom.testing.bot_api.html_text import parse_html, utf16_length
from wireroom.testing.bot_api.markdown_text import parse_markdown
from wireroom.testing.bot_api.params import Params

MAX_TEXT_UNITS = 4096
MAX_CAPTION_UNITS = 1024
_MAX_ENTITIES = 100
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_MENTION = re.compile(r"(?<![\w@/])@[A-Za-z0-9_]{4,32}(?!\w)")
_COMMAND = re.compile(r"(?<![\w/])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")
_ENTITY_TYPES = frozenset(
    {
        *("mention", "hashtag", "cashtag", "bot_command", "url", "email", "phone_number", "bold", "italic"),
        *("underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote", "code", "pre"),
        *("text_link", "text_mention", "custom_emoji", "date_time"),
    }
)
_NOTHING_INSIDE = frozenset({"code", "pre"})

Formatted = tuple[str, tuple[dict[str, Any], ...]]


def read_text(params: Params) -> Formatted:
    """Return the text of sendMessage and editMessageText.

    Raises:
        ApiRefusal: 400 when it is empty, too long, or its markup or entities are wrong.
    """
    text, entities = _formatted(params, "text", "entities")
    if not text:
        raise bad_request("message text is empty")
    if utf16_length(text) > MAX_TEXT_UNITS:
        raise bad_request("message is too long")
    return text, entities


def read_draft(params: Params) -> Formatted:
    """Return the text of sendMessageDraft, which may be empty.

    Raises:
        ApiRefusal: 400 when it is too long, or its markup or entities are wrong.
    """
    text, entities = _formatted(params, "text", "entities")
    if utf16_length(text) > MAX_TEXT_UNITS:
        raise bad_request("message is too long")
    return text, entities


def read_caption(params: Params) -> Formatted:
    """Return the caption of a file, which may be empty.

    Raises:
        ApiRefusal: 400 when it is too long, or its markup or entities are wrong.
    """
    text, entities = _formatted(params, "caption", "caption_entities")
    if utf16_length(text) > MAX_CAPTION_UNITS:
        raise bad_request("message caption is too long")
    return text, entities


def find_commands(text: str) -> tuple[dict[str, Any], ...]:
    """Return the `bot_command` entities that Telegram finds in what a person typed."""
    if "/" not in text:
        return ()
    return tuple(
        {
            "type": "bot_command",
            "offset": utf16_length(text[: found.start()]),
            "length": utf16_length(found.group()),
        }
        for found in _COMMAND.finditer(text)
    )


def find_entities(text: str) -> tuple[dict[str, Any], ...]:
    """Return the commands and mentions that Telegram finds in what a person typed, in order."""
    mentions = (
        {
            "type": "mention",
            "offset": utf16_length(text[: found.start()]),
            "length": utf16_length(found.group()),
        }
        for found in (_MENTION.finditer(text) if "@" in text else ())
    )
    return tuple(sorted((*find_commands(text), *mentions), key=lambda one: int(one["offset"])))


def _formatted(params: Params, text_name: str, entities_name: str) -> Formatted:
    source = clean(params.text(text_name))
    mode = params.text("parse_mode").lower()
    if mode == "html":
        text, entities = parse_html(source)
    elif mode == "markdownv2":
        text, entities = parse_markdown(source)
    elif mode:
        raise bad_request("unsupported parse_mode")
    else:
        text, entities = source, _given_entities(params.array(entities_name), source)
    return _trim(text, entities)


def clean(text: str) -> str:
    r"""Return the text without `\r`, and with spaces in place of other control characters.

    Raises:
        ApiRefusal: 400; half of a surrogate pair cannot be written in UTF-8.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise bad_request("strings must be encoded in UTF-8") from None
    if _CONTROL.search(text) is None:
        return text
    return _CONTROL.sub(" ", text.replace("\r", ""))


def _given_entities(given: list[Any], text: str) -> list[dict[str, Any]]:
    if not given:
        return []
    boundaries = _character_boundaries(text)
    return [_checked(entity, boundaries) for entity in given[:_MAX_ENTITIES]]


def _character_boundaries(text: str) -> set[int]:
    """Return the offsets in UTF-16 code units at which a character starts, and the end of the text."""
    boundaries = {0}
    offset = 0
    for character in text:
        offset += 2 if ord(character) > 0xFFFF else 1  # noqa: PLR2004  the last code point of one unit
        boundaries.add(offset)
    return boundaries


def _checked(entity: Any, boundaries: set[int]) -> dict[str, Any]:
    if not isinstance(entity, dict):
        raise cannot_parse("expected an Object")
    kind, offset, length = entity.get("type"), entity.get("offset"), entity.get("length")
    if kind not in _ENTITY_TYPES:
        raise cannot_parse("unsupported type specified")
    if not isinstance(offset, int) or offset < 0:
        raise bad_request("receive an entity with incorrect offset")
    if not isinstance(length, int) or length < 0:
        raise bad_request("receive an entity with incorrect length")
    end_of_text = max(boundaries)
    if offset + length > end_of_text:
        raise bad_request(
            f"entity beginning at UTF-16 offset {offset} ends after the end of the text"
            f" at UTF-16 offset {offset + length}"
        )
    if offset not in boundaries:
        raise bad_request(f"entity begins in a middle of a UTF-16 symbol at UTF-16 offset {offset}")
    if offset + length not in boundaries:
        raise bad_request(f"entity ends in a middle of a UTF-16 symbol at UTF-16 offset {offset + length}")
    return {name: value for name, value in entity.items() if value is not None}


def _trim(text: str, entities: list[dict[str, Any]]) -> Formatted:
    """Cut white space at both ends, as the real server does; leading space only before the first entity."""
    kept = text.rstrip(" \n")
    if not entities:
        return kept.lstrip(" \n"), ()
    first = min(entity["offset"] for entity in entities)
    lead = min(len(kept) - len(kept.lstrip(" \n")), first)
    kept = kept[lead:]
    end = utf16_length(kept)
    moved = [
        {
            **entity,
            "offset": entity["offset"] - lead,
            "length": min(entity["length"], end - entity["offset"] + lead),
        }
        for entity in entities
    ]
    shown = [entity for entity in moved if entity["length"] > 0 and _is_shown(entity, moved)]
    return kept, tuple(sorted(shown, key=lambda entity: (entity["offset"], -entity["length"])))


def _is_shown(entity: dict[str, Any], entities: list[dict[str, Any]]) -> bool:
    if entity["type"] == "text_link" and not is_link(entity.get("url")):
        return False
    begin, end = entity["offset"], entity["offset"] + entity["length"]
    return not any(
        outer is not entity
        and outer["type"] in _NOTHING_INSIDE
        and entity["type"] not in _NOTHING_INSIDE
        and outer["offset"] <= begin
        and end <= outer["offset"] + outer["length"]
        for outer in entities
    )


def is_link(url: object) -> bool:
    """Tell whether Telegram makes a link of it; one it does not like is shown as plain text."""
    if not isinstance(url, str) or not url.strip():
        return False
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host = parts.hostname or ""
    except ValueError:
        return False
    if parts.scheme in {"tg", "ton", "tonsite"}:
        return bool(host)
    return parts.scheme in {"http", "https", "ftp"} and ("." in host or ":" in host)
