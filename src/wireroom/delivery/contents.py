"""What an answer consists of: one rich message where people want it, else texts or a document. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wireroom.delivery.looks import Look, look_of
from wireroom.delivery.parts import Part, RichPart, TextPart
from wireroom.delivery.rich import rich_blocks
from wireroom.delivery.rich_limits import Block
from wireroom.delivery.split import CERTAINLY_LONG_CHARACTERS, as_parts

_PLAIN = frozenset({"paragraph"})
_NOTHING = TextPart("(The answer has no visible text.)")


def contents_of(body: str, *, chosen: str | None, chat_id: int, max_text_parts: int) -> Sequence[Part]:
    """Return the parts of an answer, at least one.

    Args:
        body: Markdown.
        chosen: The chat's setting `rich`, see `delivery.looks`.
        chat_id: Negative for groups.
        max_text_parts: Longer answers come as an excerpt and a document.
    """
    look = look_of(chosen, chat_id)
    if look is not Look.OFF and len(body) < CERTAINLY_LONG_CHARACTERS:
        blocks = rich_blocks(body)
        if blocks and is_worth(blocks, look):
            return (RichPart(blocks),)
    return plain_contents(body, max_text_parts=max_text_parts)


def plain_contents(body: str, *, max_text_parts: int) -> Sequence[Part]:
    """Return the parts of an answer without a rich message, at least one."""
    return as_parts(body, max_text_parts=max_text_parts) or (_NOTHING,)


def is_worth(blocks: Sequence[Block], look: Look) -> bool:
    """Tell whether a rich message shows more than text would: a table, a plan, a folded diff; or anything."""
    if look is Look.ON:
        return any(block["type"] not in _PLAIN for block in blocks)
    return any(_has_structure(block) for block in blocks)


def _has_structure(block: Block) -> bool:
    if block["type"] in {"table", "details"}:
        return True
    items = block.get("items", ())
    if any("has_checkbox" in item for item in items):
        return True
    inner = [*block.get("blocks", ()), *(one for item in items for one in item["blocks"])]
    return any(map(_has_structure, inner))
