"""The page on tools for agents says what there is, and what it costs."""

from __future__ import annotations

import json
import re
from pathlib import Path

from wireroom.mcp.server import tool_list

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-mcp.md"
_MOST_CHARACTERS = 10_000
"""About 2,500 tokens."""


def test_every_tool_is_on_the_page() -> None:
    """The table names each tool once."""
    table = PAGE.read_text().split("## Tools")[1].split("\n## ")[0]
    named = re.findall(r"`(\w+)`", "\n".join(re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)))

    assert sorted(named) == sorted(tool.name for tool in tool_list())


def test_cost_of_the_list_is_as_stated() -> None:
    """The characters are those of the list as a model is given it, and few enough."""
    sent = [
        tool.model_dump(by_alias=True, exclude_none=True, include={"name", "description", "input_schema"})
        for tool in tool_list()
    ]
    characters = len(json.dumps(sent, ensure_ascii=False, separators=(",", ":")))

    assert characters < _MOST_CHARACTERS
    assert f"{characters:,}\ncharacters of JSON for the {len(sent)} tools" in PAGE.read_text()
