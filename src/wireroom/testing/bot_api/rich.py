"""Rich messages: the rules that the Bot API states for their blocks, and the text that people read. Pure.

Source: Telegram Bot API 10.3, InputRichMessage, InputRichBlock, RichText and "Rich message limits" (32,768
characters, 500 blocks, 16 levels of nesting, 20 columns in a table).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wireroom.testing.bot_api.errors import bad_request
from wireroom.testing.bot_api.params import Params

MAX_CHARACTERS = 32_768
MAX_BLOCKS = 500
"""Nested blocks, items of lists and rows of tables count, too."""
MAX_DEPTH = 16
"""Of blocks and formatting within each other."""
MAX_COLUMNS = 20
_LARGEST_HEADING, _SMALLEST_HEADING = 1, 6

Block = dict[str, Any]
Blocks = tuple[Block, ...]

_ALIGNED = frozenset({"left", "center", "right"})
_VALIGNED = frozenset({"top", "middle", "bottom"})
_WITH_TEXT = frozenset({"paragraph", "heading", "pre", "footer", "thinking", "expandable_blockquote"})
_WITH_BLOCKS = frozenset({"blockquote", "details"})
_STYLES = frozenset(
    {
        *("bold", "italic", "underline", "strikethrough", "spoiler", "subscript", "superscript", "marked"),
        *("code", "url", "email_address", "phone_number", "mention", "hashtag", "cashtag", "bot_command"),
    }
)


def read_rich(params: Params, name: str = "rich_message", *, is_draft: bool = False) -> Blocks:
    """Return the blocks of a rich message that obeys the rules.

    Of `html` and `markdown`, whose formatting is not played, the source is shown as one paragraph.

    Raises:
        ApiRefusal: 400; it breaks a rule or a limit.
    """
    given = params.mapping(name)
    if given is None:
        raise bad_request("rich message is not specified")
    sources = [one for one in ("html", "markdown", "blocks") if given.get(one)]
    if len(sources) != 1:
        raise bad_request("exactly one of the fields html, markdown and blocks must be used")
    if sources != ["blocks"]:
        blocks: Blocks = ({"type": "paragraph", "text": str(given[sources[0]])},)
    else:
        blocks = tuple(given["blocks"])
    count = sum(_check_block(block, 1, is_draft=is_draft) for block in blocks)
    if count > MAX_BLOCKS:
        raise bad_request("RICH_MESSAGE_BLOCKS_TOO_MUCH")
    text = text_of(blocks)
    if len(text) > MAX_CHARACTERS:
        raise bad_request("message is too long")
    if not text.strip():
        raise bad_request("message text is empty")
    return blocks


def text_of(blocks: Blocks | list[Block]) -> str:
    """Return what people read, a line for each block, cells of a row apart by a tab."""
    return "\n".join(line for block in blocks for line in _lines(block))


def _lines(block: Block) -> Iterator[str]:
    match block["type"]:
        case "list":
            for item in block["items"]:
                mark = "✅" if item.get("is_checked") else "☐" if item.get("has_checkbox") else _label(item)
                yield f"{mark} {text_of(item['blocks'])}"
        case "table":
            for row in block["cells"]:
                yield "\t".join(plain(cell.get("text", "")) for cell in row)
        case "divider":
            yield "———"
        case "details":
            yield plain(block["summary"])
            yield text_of(block["blocks"])
        case "blockquote":
            yield text_of(block["blocks"])
        case _:
            yield plain(block["text"])


def labelled(blocks: Blocks | list[Block]) -> list[Block]:
    """Return the blocks as messages carry them: each item of a list has the label that people see."""
    return [_labelled(block) for block in blocks]


def _labelled(block: Block) -> Block:
    if block["type"] == "list":
        items = [
            {**item, "label": _label(item), "blocks": labelled(item["blocks"])} for item in block["items"]
        ]
        return {**block, "items": items}
    return {**block, "blocks": labelled(block["blocks"])} if "blocks" in block else block


def _label(item: Block) -> str:
    return f"{item['value']}." if item.get("value") is not None else "•"


def plain(text: Any) -> str:
    """Return a RichText without its formatting."""
    if isinstance(text, str):
        return text
    if isinstance(text, list):
        return "".join(map(plain, text))
    return plain(text["text"])


def _check_block(block: Any, depth: int, *, is_draft: bool) -> int:
    """Hold one block against the rules, and return how many blocks it counts for."""
    if not isinstance(block, dict):
        raise bad_request("can't parse InputRichBlock: expected an Object")
    if depth > MAX_DEPTH:
        raise bad_request("RICH_MESSAGE_NESTING_TOO_DEEP")
    kind = block.get("type")
    if kind == "thinking" and not is_draft:
        raise bad_request("thinking blocks are allowed in drafts only")
    if kind == "heading" and block.get("size") not in range(_LARGEST_HEADING, _SMALLEST_HEADING + 1):
        raise bad_request("heading size must be between 1 and 6")
    if kind == "divider":
        return 1
    if kind in _WITH_TEXT:
        _check_text(block.get("text"), depth + 1)
        return 1
    if kind in _WITH_BLOCKS:
        if kind == "details":
            _check_text(block.get("summary"), depth + 1)
        return 1 + _check_all(block.get("blocks"), depth + 1, is_draft=is_draft)
    checks: Mapping[Any, Callable[..., int]] = {"list": _check_list, "table": _check_table}
    if kind not in checks:
        raise bad_request(f"unsupported type {kind!r} of a rich block")
    return checks[kind](block, depth, is_draft=is_draft)


def _check_all(blocks: Any, depth: int, *, is_draft: bool) -> int:
    if not isinstance(blocks, list) or not blocks:
        raise bad_request("a block has no content")
    return sum(_check_block(block, depth, is_draft=is_draft) for block in blocks)


def _check_list(block: Block, depth: int, *, is_draft: bool) -> int:
    items = block.get("items")
    if not isinstance(items, list) or not items:
        raise bad_request("a list has no items")
    return 1 + sum(1 + _check_all(item.get("blocks"), depth + 2, is_draft=is_draft) for item in items)


def _check_table(block: Block, depth: int, *, is_draft: bool) -> int:
    del is_draft
    rows = block.get("cells")
    if not isinstance(rows, list) or not rows or not all(rows):
        raise bad_request("a table has no cells")
    for row in rows:
        if sum(cell.get("colspan") or 1 for cell in row) > MAX_COLUMNS:
            raise bad_request("RICH_MESSAGE_TABLE_TOO_WIDE")
        for cell in row:
            if cell.get("align") not in _ALIGNED or cell.get("valign") not in _VALIGNED:
                raise bad_request("a table cell is not aligned")
            if cell.get("text") is not None:
                _check_text(cell["text"], depth + 2)
    return 1 + len(rows)


def _check_text(text: Any, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise bad_request("RICH_MESSAGE_NESTING_TOO_DEEP")
    if isinstance(text, str):
        return
    if isinstance(text, list):
        for one in text:
            _check_text(one, depth)
        return
    if not isinstance(text, dict) or text.get("type") not in _STYLES:
        raise bad_request("unsupported type of rich text")
    if text["type"] == "url" and not isinstance(text.get("url"), str):
        raise bad_request("a link has no URL")
    _check_text(text.get("text"), depth + 1)
