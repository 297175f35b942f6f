"""No line, however odd, raises in any parser, and every event can be stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireroom.backends.claude import ClaudeParser
from wireroom.backends.codex import CodexParser
from wireroom.backends.cursor import CursorParser
from wireroom.backends.demo import DemoParser
from wireroom.backends.gemini import GeminiParser
from wireroom.backends.opencode import OpenCodeParser
from wireroom.backends.protocol import StreamParser

PARSERS = [ClaudeParser, CodexParser, CursorParser, DemoParser, GeminiParser, OpenCodeParser]

KNOWN_WORDS = """
type subtype event message content text thinking delta tool_use tool_result tool_call result init success
content_block_delta content_block_start text_delta thinking_delta id name input todos status errors usage
is_error input_tokens total_cost_usd session_id call_id readToolCall function arguments args started completed
system assistant user stream_event session plan steps state parent_tool_use_id exitCode rejected thought
thread_id item command command_execution file_change mcp_tool_call todo_list agent_message reasoning
changes path role delta tool_name tool_id parameters stats output sessionID part tool callID metadata exit
reason tokens cache read write cost data text error status items completed
"""
KNOWN_KINDS = """
system assistant user stream_event thinking tool_call result text thought session tool_result plan
thread.started turn.started item.started item.updated item.completed turn.completed turn.failed error
init message tool_use step_start reasoning step_finish
"""
WORDS = st.sampled_from(KNOWN_WORDS.split())
KINDS = st.sampled_from(KNOWN_KINDS.split())
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | WORDS
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
OBJECTS = st.builds(
    lambda fields, kind: {**fields, "type": kind, "event": fields.get("event", kind)},
    st.dictionaries(WORDS, VALUES, max_size=6),
    KINDS,
)
LINES = st.text() | VALUES.map(json.dumps) | OBJECTS.map(json.dumps)


@pytest.mark.parametrize("make", PARSERS)
@settings(max_examples=60)
@given(lines=st.lists(LINES, max_size=6), exit_code=st.none() | st.integers(0, 255), stderr=st.text())
def test_parser_never_raises(
    make: Callable[[], StreamParser], lines: list[str], exit_code: int | None, stderr: str
) -> None:
    """Any text, any JSON and any object of a known kind is read without an error, into storable events."""
    parser = make()
    for line in lines:
        for event in parser.feed(line):
            assert_storable(event.payload)
    result = parser.result(exit_code, stderr)
    assert_storable(
        [result.text, result.error, result.session_id, dict(result.usage), dict(result.session_usage)]
    )


@pytest.mark.parametrize("make", PARSERS)
@pytest.mark.parametrize(
    "line",
    ["[" * 100_000, '{"type":' * 50_000, "1" * 10_000, '{"type":"result","usage":{"input_tokens":1e999}}'],
    ids=["deep-list", "deep-object", "long-number", "infinite"],
)
def test_parser_survives_hostile_lines(make: Callable[[], StreamParser], line: str) -> None:
    """Nesting and numbers that break readers of JSON end as a notice or as nothing."""
    for event in make().feed(line):
        assert_storable(event.payload)


def assert_storable(payload: Any) -> None:
    """Raise unless the value can be written as JSON that both databases take."""
    stored = json.dumps(payload, allow_nan=False, ensure_ascii=False)
    stored.encode()
    assert "\\u0000" not in stored.replace("\\\\", "")
