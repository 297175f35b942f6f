"""What of an answer is read aloud. Pure.

Prose is; code, tables, HTML, pictures and addresses never are. A short answer is spoken as a whole; of a
long one the first paragraph, or as much of it as there is time for. The full text always stands beside the
sound, and where anything was left out the voice says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wireroom.delivery.clean import clean_terminal_text, whole_characters
from wireroom.delivery.markdown import Event, read_events

REST = "The rest is in the text."
_SKIPPED = frozenset({"CodeBlock", "Table", "HtmlBlock", "Image"})
_BLOCKS = frozenset({"Paragraph", "Heading", "Item", "List", "BlockQuote"})
_BREAKS = frozenset({"SoftBreak", "HardBreak", "LineEnd"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[._-][A-Za-z0-9]+){0,4}")
_NAME_CHARS = 40
_ADDRESS = re.compile(
    r"(?:\b[a-z][a-z0-9+.-]{1,20}://|\bwww\.|\bmailto:)\S*"
    r"|\b[a-z0-9-]+(?:\.[a-z0-9-]+)+/\S*"
    r"|(?<![\w/])(?:~|\.{1,2})?/\S+/\S*",
    re.IGNORECASE,
)
"""Web addresses, and paths of more than one step."""
_UNSPEAKABLE = re.compile(r"[^\w\s.,;:!?…'\u2019\"()%€$£+&°-]|_")
_SPACES = re.compile(r"\s+")
_SENTENCE_END = re.compile(r"[.!?…](?=\s|$)")
_MOST_READ = 20_000
"""Characters of an answer that are looked at."""


def spoken_text(markdown: str, limit: int) -> str | None:
    """Return what is read aloud of an answer, None when nothing of it can be.

    Args:
        markdown: The answer.
        limit: Characters, at least 80; what is returned is never longer.
    """
    head = whole_characters(clean_terminal_text(markdown[:_MOST_READ]))
    _, events = read_events(head)
    blocks, skipped, has_title = _prose(events)
    if not blocks:
        return None
    whole = _joined(blocks)
    left_out = skipped or len(markdown) > _MOST_READ
    if not left_out and len(whole) <= limit:
        return whole
    room = limit - len(REST) - 1
    said = whole if len(whole) <= room else _shortened(blocks[: 1 + has_title], room)
    return f"{said} {REST}"


def _prose(events: Sequence[Event]) -> tuple[list[str], bool, bool]:
    """Return the blocks that can be spoken, whether something else was there, and whether a title begins."""
    blocks: list[str] = []
    pieces: list[str] = []
    depth, skipped, has_title = 0, False, False

    def end_block() -> None:
        text = _speakable("".join(pieces))
        pieces.clear()
        if any(character.isalnum() for character in text):
            blocks.append(text)

    for event in events:
        name = event.kind.removeprefix("/")
        if name in _SKIPPED:
            depth += -1 if event.kind.startswith("/") else 1
            skipped = True
        elif depth:
            continue
        elif name in _BLOCKS:
            end_block()
            has_title = has_title or (event.kind == "/Heading" and len(blocks) == 1)
        elif event.kind == "Text":
            pieces.append(event.data)
        elif event.kind == "Code":
            is_name = len(event.data) <= _NAME_CHARS and _NAME.fullmatch(event.data) is not None
            pieces.append(event.data.replace("_", " ") if is_name else " ")
            skipped = skipped or not is_name
        elif event.kind in _BREAKS:
            pieces.append(" ")
    end_block()
    return blocks, skipped, has_title


def _speakable(text: str) -> str:
    """Return the text without addresses and signs that no voice can say."""
    plain = _UNSPEAKABLE.sub(" ", _ADDRESS.sub(" ", text))
    return re.sub(r"\s+([.,;:!?])", r"\1", _SPACES.sub(" ", plain)).strip()


def _joined(blocks: Sequence[str]) -> str:
    """Return the blocks as sentences, each ended so that the voice pauses."""
    return " ".join(block if block[-1] in ".!?…:;," else f"{block}." for block in blocks)


def _shortened(blocks: Sequence[str], room: int) -> str:
    """Return the blocks, cut at a sentence's or a word's end."""
    first = _joined(blocks)
    if len(first) <= room:
        return first
    ends = [match.end() for match in _SENTENCE_END.finditer(first[:room])]
    if ends:
        return first[: ends[-1]]
    words = first[: room - 1].rpartition(" ")[0] or first[: room - 1]
    return words.rstrip(" ,;:") + "…"
