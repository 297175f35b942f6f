"""What a rich message says, without its form, so that an answer to it has its context. Pure.

Source: Telegram Bot API, RichMessage, RichBlock, RichText.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def words_of(rich_message: Any) -> str:
    """Return the words of `{"blocks": […]}`, a line for each block or row; else nothing."""
    return "\n".join(line for line in _lines(rich_message) if line.strip())


def _lines(part: Any) -> Iterator[str]:
    if not isinstance(part, dict):
        return
    for name in ("summary", "text"):
        yield _plain(part.get(name))
    for row in _listed(part.get("cells")):
        yield " | ".join(_plain(cell.get("text")) for cell in _listed(row) if isinstance(cell, dict))
    for name in ("blocks", "items"):
        for inner in _listed(part.get(name)):
            yield from _lines(inner)


def _plain(text: Any) -> str:
    """Return a RichText without its form: a string, a list of such, or one under `text`."""
    if isinstance(text, str):
        return text
    if isinstance(text, dict):
        return _plain(text.get("text"))
    return "".join(_plain(part) for part in _listed(text))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
