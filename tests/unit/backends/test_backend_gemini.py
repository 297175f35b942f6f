"""Gemini CLI's command line and lines; the streams were recorded from its program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wireroom.backends.gemini import GeminiBackend, GeminiParser
from wireroom.backends.protocol import AgentEvent, AgentRequest, EventKind, McpServer
from wireroom.errors import BadInput

STREAMS = Path(__file__).parents[2] / "fixtures" / "streams"
SESSION = "5b0c0d0e-1111-4222-8333-000000000001"


def feed(*lines: str) -> tuple[GeminiParser, list[AgentEvent]]:
    """Return a parser that was fed the lines, and the events."""
    parser = GeminiParser()
    return parser, [event for line in lines for event in parser.feed(line)]


def read(name: str) -> tuple[GeminiParser, list[AgentEvent]]:
    """Return a parser that was fed a recorded stream, and the events."""
    return feed(*(STREAMS / f"gemini-{name}.jsonl").read_text(encoding="utf-8").splitlines())


def payloads(events: list[AgentEvent], kind: EventKind) -> Iterator[Any]:
    """Return the payloads of one kind."""
    return (event.payload for event in events if event.kind is kind)


def test_gemini_run_becomes_session_tools_answer_and_usage() -> None:
    """A recorded run: two tools, the answer in pieces, the tokens of all models."""
    parser, events = read("answer")
    assert list(payloads(events, EventKind.SESSION)) == [{"session_id": SESSION}]
    calls = [call["summary"] for call in payloads(events, EventKind.TOOL_CALL)]
    assert calls == ["run_shell_command: echo 1 failed; exit 3", "write_file: /srv/work/new.py"]
    assert [result["ok"] for result in payloads(events, EventKind.TOOL_RESULT)] == [True, True]
    usage = {"input_tokens": 400, "output_tokens": 40, "cost_usd": None}
    assert list(payloads(events, EventKind.USAGE)) == [usage]
    result = parser.result(0)
    assert (result.text, result.is_error) == ("Mended: a sign was wrong in `app.py`.", False)
    assert (result.session_id, result.usage) == (SESSION, usage)


def test_gemini_failure_says_why() -> None:
    """A recorded run without a valid key: the provider's message is the reason."""
    result = read("no-key")[0].result(145)
    assert (result.is_error, result.error, result.session_lost) == (True, "No such key", False)


def test_gemini_messages_between_tools_are_apart() -> None:
    """What is said before a tool and after it are two messages; the last is the answer."""
    said = '{"type":"message","role":"assistant","content":%s,"delta":true}'
    parser, events = feed(
        said % '"I look"',
        said % '" at it."',
        '{"type":"tool_use","tool_name":"read_file","tool_id":"t","parameters":{}}',
        said % '"It is well."',
        '{"type":"result","status":"success","stats":{}}',
    )
    pieces = [payload["text"] for payload in payloads(events, EventKind.TEXT)]
    assert pieces == ["I look", " at it.", "\n\nIt is well."]
    assert parser.result(0).text == "It is well."


def test_gemini_refused_tool_and_warnings_are_shown() -> None:
    """A tool that failed says why; a warning is a notice."""
    _, events = feed(
        '{"type":"tool_result","tool_id":"t","status":"error","error":{"message":"Not allowed"}}',
        '{"type":"error","severity":"warning","message":"Loop detected"}',
    )
    assert list(payloads(events, EventKind.TOOL_RESULT)) == [
        {"id": "t", "ok": False, "summary": "Not allowed"}
    ]
    assert list(payloads(events, EventKind.NOTICE)) == [{"text": "Loop detected"}]


@pytest.mark.parametrize(
    ("stderr", "lost"),
    [
        ('Error resuming session: Invalid session identifier "1111".\n  Searched for sessions in …', True),
        ("Error resuming session: No previous sessions found for this project.", True),
        ("Please set an Auth method", False),
    ],
)
def test_gemini_lost_session_is_recognised_on_stderr(stderr: str, lost: bool) -> None:
    """Gemini says it there, and nothing on its output."""
    assert GeminiParser().result(42, stderr).session_lost is lost


def request(**more: Any) -> AgentRequest:
    """Return a request with some fields set."""
    return AgentRequest(**{"prompt": "--yolo is no option here", "workdir": Path("/srv/work"), **more})


def test_gemini_command_reads_the_prompt_from_standard_input() -> None:
    """Mode, model and session are options, the prompt is not; the environment is the allowed one."""
    ours = {"PATH": "/bin", "GEMINI_API_KEY": "k", "GOOGLE_CLOUD_PROJECT": "p", "OPENAI_API_KEY": "secret"}
    command = GeminiBackend("gemini", ours, "plan").command(request(session_id=SESSION, model="gemini-3-pro"))
    assert " ".join(command.argv) == (
        "gemini --output-format stream-json --skip-trust --approval-mode plan"
        f" --model gemini-3-pro --resume {SESSION}"
    )
    assert command.stdin == b"--yolo is no option here"
    assert command.env == {"PATH": "/bin", "GEMINI_API_KEY": "k", "GOOGLE_CLOUD_PROJECT": "p"}


def test_gemini_servers_get_a_home_of_their_own() -> None:
    """The servers stand in settings of this run alone; a session of before is asked for, and told as lost."""
    servers = (
        McpServer("sky", "/bin/sky", ("-x",), {"SKY_KEY": "k"}),
        McpServer("net", url="http://net/mcp", headers={"X-Key": "k"}),
    )
    command = GeminiBackend("gemini", {}).command(
        request(session_id=SESSION, private_dir=Path("/private"), mcp_servers=servers)
    )
    (path,) = command.files
    assert str(path) == f"{command.env['GEMINI_CLI_HOME']}/.gemini/settings.json"
    assert path.is_relative_to("/private")
    assert json.loads(command.files[path])["mcpServers"] == {
        "sky": {"command": "/bin/sky", "args": ["-x"], "env": {"SKY_KEY": "k"}, "trust": True},
        "net": {"httpUrl": "http://net/mcp", "headers": {"X-Key": "k"}, "trust": True},
    }
    assert command.argv[-2:] == ("--resume", SESSION)


@pytest.mark.parametrize("field", ["session_id", "model"])
def test_gemini_command_refuses_words_that_are_options(field: str) -> None:
    """A session or a model cannot smuggle an option onto the command line."""
    with pytest.raises(BadInput, match="--yolo"):
        GeminiBackend("gemini", {}).command(request(**{field: "--yolo"}))
