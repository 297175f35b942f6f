"""A chat as a web page: what a person sees of its messages and drafts, about as an app draws them. Pure.

For looking at answers, in a browser or in a picture; no test should depend on its looks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wireroom.testing.bot_api.drafts import SeenDraft
from wireroom.testing.bot_api.view import SeenMessage

_STYLE = """
* { box-sizing: border-box; }
body { margin: 0; background: #c8d8c0; color: #111;
  font: 15px/1.36 -apple-system, "DejaVu Sans", "Noto Color Emoji", sans-serif; }
main { display: flex; flex-direction: column; gap: 8px; padding: 12px; max-width: 400px; }
.bubble { background: #fff; border-radius: 14px; padding: 7px 11px; width: fit-content; max-width: 94%;
  overflow-wrap: anywhere; white-space: pre-wrap; box-shadow: 0 1px 1px #0002; }
.bubble.own { background: #e2ffc7; align-self: flex-end; }
.bubble.rich { width: 94%; white-space: normal; }
.draft { opacity: .92; border: 1.5px dashed #7a9bb5; }
.rows { display: grid; gap: 4px; width: 94%; margin-top: -4px; }
.row { display: flex; gap: 4px; }
.row span { flex: auto; text-align: center; background: #5b7a5bcc; color: #fff; border-radius: 10px;
  padding: 6px; font-size: 14px; white-space: nowrap; }
code, pre { font: 13px/1.4 "DejaVu Sans Mono", monospace; }
code { color: #a3425a; }
pre { background: #f1f4f7; border-left: 3px solid #6f9fc8; border-radius: 6px; padding: 6px 8px;
  margin: 4px 0; overflow-x: auto; white-space: pre-wrap; }
pre[data-language]::before { content: attr(data-language); display: block; color: #6f9fc8; font-size: 11px; }
pre .added { background: #d9f5df; display: block; }
pre .removed { background: #fbdfe0; display: block; }
blockquote { margin: 4px 0; padding: 3px 9px; border-left: 3px solid #6fae6f; background: #f0f7ee;
  border-radius: 6px; }
a { color: #2678b6; text-decoration: none; }
.rich p, .rich h1, .rich h2, .rich h3, .rich h4, .rich h5, .rich h6 { margin: 5px 0; }
.rich h1 { font-size: 20px; }
.rich h2 { font-size: 18px; }
.rich h3 { font-size: 16px; }
.rich ul, .rich ol { margin: 4px 0; padding-left: 22px; }
.rich li p { margin: 1px 0; }
.rich li.box { list-style: none; margin-left: -20px; display: flex; gap: 6px; }
.rich li.box > div { flex: 1; }
.tick { width: 15px; height: 15px; border: 1.5px solid #6f9fc8; border-radius: 4px; font-size: 12px;
  line-height: 13px; text-align: center; margin-top: 3px; flex: none; }
.tick.done { background: #4a9fe0; border-color: #4a9fe0; color: #fff; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 5px 0; font-size: 13px; }
td, th { border: 1px solid #d4dbe2; padding: 4px 7px; overflow-wrap: normal; }
th { background: #f1f4f7; }
.right { white-space: nowrap; }
details { border: 1px solid #d4dbe2; border-radius: 8px; padding: 4px 8px; margin: 5px 0; }
summary { font-weight: 600; }
hr { border: 0; border-top: 1px solid #d4dbe2; margin: 8px 0; }
.thinking { color: #6b7f90; font-style: italic; }
.stop { display: inline-block; margin-top: 6px; padding: 4px 12px; border-radius: 12px;
  background: #e9eef3; color: #37566f; font-size: 13px; }
"""
_TAGS = {
    "bold": "b",
    "italic": "i",
    "underline": "u",
    "strikethrough": "s",
    "spoiler": "mark",
    "marked": "mark",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "expandable_blockquote": "blockquote",
}
_AROUND_BLOCKS = re.compile(r"\n?\n<(?:pre|blockquote)|</(?:pre|blockquote)>\n\n?")
_DIFFS = frozenset({"diff", "patch"})


def chat_page(messages: Sequence[SeenMessage], drafts: Sequence[SeenDraft] = ()) -> str:
    """Return the page of a chat: its messages, oldest first, and then its drafts."""
    shown = [*map(_message, messages), *map(_draft, drafts)]
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style><main>{''.join(shown)}</main>"


def _message(message: SeenMessage) -> str:
    kind = "bubble" if message.from_bot else "bubble own"
    if message.document_name:
        body = f"📄 <b>{escape(message.document_name)}</b><br>{escape(message.text)}"
    else:
        body = _body(message.text, message.entities, message.blocks)
    rich = " rich" if message.blocks else ""
    rows = "".join(
        f'<div class="row">{"".join(f"<span>{escape(one.text)}</span>" for one in row)}</div>'
        for row in message.buttons
    )
    below = f'<div class="rows">{rows}</div>' if rows else ""
    return f'<div class="{kind}{rich}">{body}</div>{below}'


def _draft(draft: SeenDraft) -> str:
    body = _body(draft.text, draft.entities, draft.blocks) or '<span class="thinking">Thinking …</span>'
    stop = '<div><span class="stop">⏹ Stop</span></div>' if draft.can_stop else ""
    return f'<div class="bubble draft{" rich" if draft.blocks else ""}">{body}{stop}</div>'


def _body(text: str, entities: Sequence[Mapping[str, Any]], blocks: Sequence[Mapping[str, Any]]) -> str:
    return "".join(map(_block, blocks)) if blocks else _formatted(text, entities)


def _formatted(text: str, entities: Sequence[Mapping[str, Any]]) -> str:
    """Return the text with its entities as tags; they nest, outer before inner."""
    units = text.encode("utf-16-le")
    opened: dict[int, list[str]] = {}
    closed: dict[int, list[str]] = {}
    for entity in entities:
        start, tag = _tag_of(entity)
        opened.setdefault(entity["offset"], []).append(start)
        closed.setdefault(entity["offset"] + entity["length"], []).insert(0, f"</{tag}>")
    places = sorted({0, len(units) // 2, *opened, *closed})
    pieces = []
    for place, after in zip(places, [*places[1:], places[-1]], strict=True):
        pieces += [*closed.get(place, ()), *opened.get(place, ())]
        pieces.append(escape(units[2 * place : 2 * after].decode("utf-16-le")))
    # A block stands on lines of its own already.
    return _AROUND_BLOCKS.sub(lambda found: found[0].strip("\n"), "".join(pieces))


def _tag_of(entity: Mapping[str, Any]) -> tuple[str, str]:
    if entity["type"] == "text_link":
        return f'<a href="{escape(entity["url"])}">', "a"
    tag = _TAGS.get(entity["type"], "span")
    language = f' data-language="{escape(entity["language"])}"' if entity.get("language") else ""
    return f"<{tag}{language}>", tag


def _block(block: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one line for each kind reads best
    match block["type"]:
        case "heading":
            return f"<h{block['size']}>{_rich(block['text'])}</h{block['size']}>"
        case "pre":
            return _code(block)
        case "divider":
            return "<hr>"
        case "thinking":
            return f'<p class="thinking">{_rich(block["text"])}</p>'
        case "blockquote":
            return f"<blockquote>{''.join(map(_block, block['blocks']))}</blockquote>"
        case "details":
            inner = "".join(map(_block, block["blocks"]))
            return f"<details><summary>{_rich(block['summary'])}</summary>{inner}</details>"
        case "list":
            tag = "ol" if block["items"][0].get("value") is not None else "ul"
            start = f" start={block['items'][0]['value']}" if tag == "ol" else ""
            return f"<{tag}{start}>{''.join(map(_item, block['items']))}</{tag}>"
        case "table":
            rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in block["cells"])
            return f'<div class="scroll"><table>{rows}</table></div>'
        case _:
            return f"<p>{_rich(block['text'])}</p>"


def _code(block: Mapping[str, Any]) -> str:
    language = block.get("language", "")
    named = f' data-language="{escape(language)}"' if language else ""
    body = _rich(block["text"])
    if language in _DIFFS:
        marks = {"+": "added", "-": "removed"}
        body = "".join(
            f'<span class="{marks[line[0]]}">{line}</span>' if line[:1] in marks else f"{line}\n"
            for line in body.split("<br>")
        )
    return f"<pre{named}>{body.replace('<br>', chr(10))}</pre>"


def _item(item: Mapping[str, Any]) -> str:
    inner = "".join(map(_block, item["blocks"]))
    if not item.get("has_checkbox"):
        return f"<li>{inner}</li>"
    tick = '<span class="tick done">✓</span>' if item.get("is_checked") else '<span class="tick"></span>'
    return f'<li class="box">{tick}<div>{inner}</div></li>'


def _cell(cell: Mapping[str, Any]) -> str:
    tag = "th" if cell.get("is_header") else "td"
    align = cell["align"]
    return f'<{tag} class="{align}" style="text-align:{align}">{_rich(cell.get("text", ""))}</{tag}>'


def _rich(text: Any) -> str:
    if isinstance(text, str):
        return escape(text).replace("\n", "<br>")
    if isinstance(text, list):
        return "".join(map(_rich, text))
    if text["type"] == "url":
        return f'<a href="{escape(text["url"])}">{_rich(text["text"])}</a>'
    tag = _TAGS.get(text["type"], "span")
    return f"<{tag}>{_rich(text['text'])}</{tag}>"
