"""Cursor's command line and lines; recorded after its documentation, "CLI: Output format"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wireroom.backends.cursor import CursorBackend, CursorParser
from wireroom.backends.protocol import AgentEvent, AgentRequest, EventKind, McpServer

STREAMS = Path(__file__).parents[2] / "fixtures" / "streams"
SESSION = "c6b62c6f-7ead-4fd6-9922-e952131177ff"


def read(name: str) -> tuple[CursorParser, list[AgentEvent]]:
    """Return a parser that was fed the recorded lines, and the events."""
    parser = CursorParser()
    lines = (STREAMS / f"cursor-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return parser, [event for line in lines for event in parser.feed(line)]


def payloads(events: list[AgentEvent], kind: EventKind) -> Iterator[Any]:
    """Return the payloads of one kind."""
    return (event.payload for event in events if event.kind is kind)


def test_cursor_messages_are_kept_apart() -> None:
    """Messages are a blank line apart; the answer is the last one, not all of them run together."""
    parser, events = read("answer")
    said = "".join(payload["text"] for payload in payloads(events, EventKind.TEXT))
    assert said == "I read the README.\n\nIt is a sample project of 54 lines."
    result = parser.result(0)
    assert (result.text, result.is_error) == ("It is a sample project of 54 lines.", False)
    assert (result.session_id, result.session_lost) == (SESSION, False)
    assert result.usage == {"input_tokens": 1200, "output_tokens": 80, "cost_usd": None}
    assert [payload["text"] for payload in payloads(events, EventKind.THOUGHT)] == [
        "I should read ",
        "the file.",
    ]


def test_cursor_tools_are_summarised() -> None:
    """Calls of both shapes show name and key argument; results their exit code, beginning or cause."""
    _, events = read("answer")
    assert [payload["summary"] for payload in payloads(events, EventKind.TOOL_CALL)] == [
        "read: README.md",
        "shell: wc -l README.md",
        "write: /etc/summary.txt",
        "updateTodos",
        "grep: sample",
    ]
    results = [(item["id"], item["ok"], item["summary"]) for item in payloads(events, EventKind.TOOL_RESULT)]
    assert results == [
        ("call_1\nfc_1", True, "# Project A sample."),
        ("call_2", True, "exit code 0"),
        ("call_3", False, "outside of the workspace"),
    ]
    assert [payload["steps"] for payload in payloads(events, EventKind.PLAN)] == [
        [{"text": "Read", "state": "done"}, {"text": "Summarise", "state": "active"}]
    ]


def test_cursor_without_a_result_line_failed() -> None:
    """A stream that ends early is a failure whose text is kept; the reason is on stderr."""
    parser, _ = read("cut")
    result = parser.result(1, "session not found in the text of an agent that did speak")
    assert (result.is_error, result.text, result.error) == (True, "I read the README.", None)
    assert not result.session_lost
    assert read("cut")[0].result(0).error == "Cursor's agent ended without a result."


@pytest.mark.parametrize(
    ("stderr", "lost"),
    [
        ("Error: Chat 1234 not found", True),
        ("The session abc does not exist.", True),
        ("No conversation was found", True),
        ("Authentication required. Please run 'agent login' first", False),
        ("", False),
    ],
    ids=["chat", "session", "conversation", "login", "silent"],
)
def test_cursor_lost_session_is_recognised_on_stderr(stderr: str, lost: bool) -> None:
    """A chat that is gone is told from other failures."""
    assert CursorParser().result(1, stderr).session_lost is lost


def test_cursor_reported_error_is_the_reason() -> None:
    """A result line that reports an error makes the run a failure."""
    parser = CursorParser()
    list(parser.feed('{"type":"result","subtype":"error","is_error":true,"result":"Usage limit reached"}'))
    result = parser.result(0)
    assert (result.is_error, result.error) == (True, "Usage limit reached")


def test_cursor_command_keeps_the_prompt_off_the_command_line() -> None:
    """The prompt goes to standard input; of our environment the agent sees only what is allowed."""
    backend = CursorBackend(
        "/opt/cursor-agent", {"CURSOR_API_KEY": "k", "CURSOR_CLI_PATH": "x", "HOME": "/h"}
    )
    command = backend.command(AgentRequest("do it", Path("/srv/work"), session_id=SESSION))
    assert " ".join(command.argv) == (
        f"/opt/cursor-agent --print --output-format stream-json --force --model auto --resume {SESSION}"
    )
    assert command.stdin == b"do it"
    assert command.env == {"CURSOR_API_KEY": "k", "HOME": "/h"}


def test_cursor_servers_get_a_home_of_their_own() -> None:
    """The servers stand in the HOME of this run alone; a session of before is asked for all the same."""
    server = McpServer("sky", "/bin/sky", env={"SKY_KEY": "k"})
    ours = {"HOME": "/home/ada", "CURSOR_API_KEY": "k"}
    request = AgentRequest(
        "hello", Path("/srv/work"), session_id="s-1", private_dir=Path("/private"), mcp_servers=(server,)
    )
    command = CursorBackend("cursor-agent", ours).command(request)
    (path,) = command.files
    assert str(path) == f"{command.env['HOME']}/.cursor/mcp.json"
    assert path.is_relative_to("/private")
    assert json.loads(command.files[path])["mcpServers"]["sky"]["env"] == {"SKY_KEY": "k"}
    assert "--approve-mcps" in command.argv
    assert command.argv[-2:] == ("--resume", "s-1")
