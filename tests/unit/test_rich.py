"""Markdown as blocks of rich messages: what becomes of each construct, and what holds for any document."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from aiogram.types import InputRichMessage as ModelRichMessage
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from markdown_strategies import inline, markdown

from wireroom.delivery.render import render
from wireroom.delivery.rich import rich_blocks
from wireroom.telegram.types import InputRichMessage, to_wire
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.rich import read_rich, text_of

SEEN = re.compile(r"[^\W_\u115f\u1160\u3164]")
"""A letter or digit; the fillers of Hangul count as letters but cannot be seen."""


def paragraph(text: Any) -> dict[str, Any]:
    """Return a paragraph."""
    return {"type": "paragraph", "text": text}


def cell(text: str, align: str = "left", **more: object) -> dict[str, Any]:
    """Return a cell of a table."""
    return {"text": text, "align": align, "valign": "top", **more}


@pytest.mark.parametrize(
    ("source", "blocks"),
    [
        pytest.param(
            "## Done\n\nAll *well*.",
            [
                {"type": "heading", "text": "Done", "size": 2},
                paragraph(["All ", {"type": "italic", "text": "well"}, "."]),
            ],
            id="heading",
        ),
        pytest.param(
            "- [x] read\n- [ ] write",
            [
                {
                    "type": "list",
                    "items": [
                        {"has_checkbox": True, "is_checked": True, "blocks": [paragraph("read")]},
                        {"has_checkbox": True, "blocks": [paragraph("write")]},
                    ],
                }
            ],
            id="plan",
        ),
        pytest.param(
            "3. a\n4. b\n   - c",
            [
                {
                    "type": "list",
                    "items": [
                        {"value": 3, "type": "1", "blocks": [paragraph("a")]},
                        {
                            "value": 4,
                            "type": "1",
                            "blocks": [
                                paragraph("b"),
                                {"type": "list", "items": [{"blocks": [paragraph("c")]}]},
                            ],
                        },
                    ],
                }
            ],
            id="lists-within-lists",
        ),
        pytest.param(
            "| a | n |\n|---|--:|\n| x |  |",
            [
                {
                    "type": "table",
                    "cells": [
                        [cell("a", is_header=True), cell("n", "right", is_header=True)],
                        [cell("x"), cell("\u00a0", "right")],
                    ],
                    "is_bordered": True,
                }
            ],
            id="table",
        ),
        pytest.param("```py\nx = 1\n```", [{"type": "pre", "text": "x = 1", "language": "py"}], id="code"),
        pytest.param(
            "```diff\n-a\n+b\n```", [{"type": "pre", "text": "-a\n+b", "language": "diff"}], id="diff"
        ),
        pytest.param(
            "> so\n\n---",
            [{"type": "blockquote", "blocks": [paragraph("so")]}, {"type": "divider"}],
            id="quote",
        ),
        pytest.param(
            "[here](https://x.org/) and [there](a/b.py)",
            [paragraph([{"type": "url", "text": "here", "url": "https://x.org/"}, " and there (a/b.py)"])],
            id="links",
        ),
        pytest.param(
            "**a `b`** Vec<String>",
            [paragraph([{"type": "bold", "text": ["a ", {"type": "code", "text": "b"}]}, " Vec<String>"])],
            id="styles",
        ),
    ],
)
def test_markdown_becomes_blocks(source: str, blocks: list[dict[str, Any]]) -> None:
    """Each construct has its block."""
    assert rich_blocks(source) == tuple(blocks)


def test_long_diff_is_folded_under_what_it_counts() -> None:
    """A diff of more than twenty lines opens at a touch, and says before how large it is."""
    diff = "--- a/x\n+++ b/x\n" + "+new\n" * 20 + "-old"
    [block] = rich_blocks(f"```diff\n{diff}\n```") or ()
    assert (block["type"], block["summary"]) == ("details", "Diff: +20 -1")
    assert block["blocks"] == [{"type": "pre", "text": diff, "language": "diff"}]


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("x" * 32_769, id="too-long"),
        pytest.param("- a\n" * 250, id="too-many-blocks"),
        pytest.param(">" * 20 + " a", id="too-deep"),
        pytest.param("<u><b>" * 8 + "a" + "</b></u>" * 8, id="too-many-styles"),
        pytest.param("|a" * 21 + "|\n" + "|-" * 21 + "|", id="too-wide"),
        pytest.param(" \n", id="nothing"),
    ],
)
def test_what_no_rich_message_holds_has_no_blocks(source: str) -> None:
    """Such an answer goes out as text."""
    assert rich_blocks(source) is None


@settings(max_examples=200, deadline=None)
@given(markdown)
def test_blocks_of_any_markdown_are_accepted(source: str) -> None:
    """The documented rules, as the Bot API server plays them, and a complete model of the Bot API agree."""
    blocks = rich_blocks(source)
    assume(blocks is not None)
    wire = msgspec.json.decode(msgspec.json.encode(to_wire(InputRichMessage(blocks or ()))))
    assert read_rich(Params({"rich_message": wire})) == tuple(wire["blocks"])
    model = ModelRichMessage.model_validate(wire)
    assert model.model_dump(mode="json", exclude_unset=True, warnings=False) == wire


@settings(max_examples=200, deadline=None)
@given(markdown.filter(lambda source: "|" not in source))
def test_blocks_say_what_the_text_says(source: str) -> None:
    """Rich or not, people read the same letters and digits in the same order; tables are compared below."""
    blocks = rich_blocks(source)
    assume(blocks is not None)
    assert SEEN.findall(text_of(blocks or ())) == SEEN.findall(render(source).text)


@settings(deadline=None)
@given(st.lists(st.lists(inline, min_size=3, max_size=3), min_size=1, max_size=5))
def test_every_cell_of_a_table_is_there(rows: list[list[str]]) -> None:
    """Each cell says what it says alone."""
    assume(all("|" not in one and "\n" not in one and "`" not in one for row in rows for one in row))
    rows = [[f"x {one}" for one in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    blocks = rich_blocks("\n".join([lines[0], "|---|---|---|", *lines[1:]]))
    assert blocks is not None
    told = [[SEEN.findall(text_of([paragraph(one["text"])])) for one in row] for row in blocks[0]["cells"]]
    assert told == [[SEEN.findall(text_of(rich_blocks(one) or ())) for one in row] for row in rows]
