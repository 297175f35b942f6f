"""OpenCode's command line and lines; the streams were recorded from its program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wireroom.backends.opencode import OpenCodeBackend, OpenCodeParser
from wireroom.backends.protocol import AgentEvent, AgentRequest, EventKind, McpServer
from wireroom.errors import BadInput

STREAMS = Path(__file__).parents[2] / "fixtures" / "streams"
SESSION = "ses_00000000000000000000000001"


def feed(*lines: str) -> tuple[OpenCodeParser, list[AgentEvent]]:
    """Return a parser that was fed the lines, and the events."""
    parser = OpenCodeParser()
    return parser, [event for line in lines for event in parser.feed(line)]


def read(name: str) -> tuple[OpenCodeParser, list[AgentEvent]]:
    """Return a parser that was fed a recorded stream, and the events."""
    return feed(*(STREAMS / f"opencode-{name}.jsonl").read_text(encoding="utf-8").splitlines())


def payloads(events: list[AgentEvent], kind: EventKind) -> Iterator[Any]:
    """Return the payloads of one kind."""
    return (event.payload for event in events if event.kind is kind)


def test_opencode_run_becomes_session_tools_answer_and_usage() -> None:
    """A recorded run: a command that fails, a file, the answer, and tokens that add up step by step."""
    parser, events = read("answer")
    assert list(payloads(events, EventKind.SESSION)) == [{"session_id": SESSION}]
    calls = [call["summary"] for call in payloads(events, EventKind.TOOL_CALL)]
    assert calls == ["bash: echo 1 failed; exit 3", "write: /srv/work/new.py"]
    results = [(result["ok"], result["summary"]) for result in payloads(events, EventKind.TOOL_RESULT)]
    assert results == [(False, "1 failed"), (True, "Wrote file successfully.")]
    assert [usage["input_tokens"] for usage in payloads(events, EventKind.USAGE)] == [100, 200, 300]
    result = parser.result(0)
    assert (result.text, result.is_error) == ("Mended: a sign was wrong in `app.py`.", False)
    assert result.session_id == SESSION
    assert result.usage == {"input_tokens": 300, "output_tokens": 30, "cost_usd": None}


def test_opencode_to_do_list_becomes_the_plan() -> None:
    """A recorded run that writes a to-do list."""
    _, events = read("plan")
    assert [payload["steps"] for payload in payloads(events, EventKind.PLAN)] == [
        [{"text": "Look", "state": "active"}, {"text": "Mend", "state": "pending"}]
    ]


def test_opencode_that_stops_at_a_permission_failed() -> None:
    """A recorded run in which nobody allowed a command: it exits with 0, but its work is not done."""
    parser, _ = read("refused")
    result = parser.result(0)
    assert result.is_error
    assert result.error == "The user rejected permission to use this specific tool call."


def test_opencode_failure_says_why() -> None:
    """A recorded run without a valid key: the provider's message is the reason."""
    result = read("no-key")[0].result(1)
    assert (result.is_error, result.error, result.session_lost) == (True, "No such key", False)
    assert result.session_id == SESSION


def test_opencode_cost_and_cached_tokens_count() -> None:
    """What its provider charges is added up, and all tokens that went in or came out."""
    tokens = {"input": 5, "output": 2, "reasoning": 3, "cache": {"read": 10, "write": 20}}
    step = {"type": "step_finish", "part": {"reason": "stop", "tokens": tokens, "cost": 0.25}}
    parser, _ = feed(json.dumps(step), json.dumps(step))
    assert parser.result(0).usage == {"input_tokens": 70, "output_tokens": 10, "cost_usd": 0.5}


def test_opencode_thoughts_are_shown() -> None:
    """Reasoning is a thought and no part of the answer."""
    parser, events = feed('{"type":"reasoning","part":{"text":"Hm."}}')
    assert list(payloads(events, EventKind.THOUGHT)) == [{"text": "Hm."}]
    assert parser.result(None).text == ""


def test_opencode_lost_session_is_recognised_on_stderr() -> None:
    """OpenCode says it there, in colour, and nothing on its output."""
    assert OpenCodeParser().result(1, "\x1b[91m\x1b[1mError: \x1b[0mSession not found\n").session_lost
    assert not OpenCodeParser().result(1, "Error: Model not found").session_lost


def request(**more: Any) -> AgentRequest:
    """Return a request with some fields set."""
    return AgentRequest(**{"prompt": "--auto is no option here", "workdir": Path("/srv/work"), **more})


def test_opencode_command_reads_the_prompt_from_standard_input() -> None:
    """Model and session are options, the prompt is not; the environment is the allowed one."""
    ours = {
        "PATH": "/bin",
        "OPENCODE_CONFIG": "/c.json",
        "OPENROUTER_API_KEY": "k",
        "WEBHOOK_SECRET": "secret",
    }
    command = OpenCodeBackend("opencode", ours).command(request(session_id=SESSION, model="openai/gpt-5.5"))
    assert " ".join(command.argv) == (
        f"opencode run --format json --thinking --model openai/gpt-5.5 --session {SESSION}"
    )
    assert command.stdin == b"--auto is no option here"
    assert command.env == {"PATH": "/bin", "OPENCODE_CONFIG": "/c.json", "OPENROUTER_API_KEY": "k"}


def test_opencode_servers_stand_in_a_private_file() -> None:
    """The servers are configuration of this run alone, and sessions go on."""
    servers = (
        McpServer("sky", "/bin/sky", ("-x",), {"SKY_KEY": "k"}),
        McpServer("net", url="http://net/mcp", headers={"X-Key": "k"}),
    )
    command = OpenCodeBackend("opencode", {}).command(
        request(session_id=SESSION, private_dir=Path("/private"), mcp_servers=servers)
    )
    (path,) = command.files
    assert command.env["OPENCODE_CONFIG"] == str(path) == "/private/opencode.json"
    assert json.loads(command.files[path])["mcp"] == {
        "sky": {
            "type": "local",
            "command": ["/bin/sky", "-x"],
            "environment": {"SKY_KEY": "k"},
            "enabled": True,
        },
        "net": {"type": "remote", "url": "http://net/mcp", "headers": {"X-Key": "k"}, "enabled": True},
    }
    assert SESSION in command.argv


@pytest.mark.parametrize("field", ["session_id", "model"])
def test_opencode_command_refuses_words_that_are_options(field: str) -> None:
    """A session or a model cannot smuggle an option onto the command line."""
    with pytest.raises(BadInput, match="--auto"):
        OpenCodeBackend("opencode", {}).command(request(**{field: "--auto"}))
