"""Claude Code's command line and lines; recorded after the message types of the Agent SDK reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wireroom.backends.claude import ClaudeBackend, ClaudeParser
from wireroom.backends.protocol import AgentEvent, AgentRequest, EventKind, McpServer
from wireroom.errors import BadInput

STREAMS = Path(__file__).parents[2] / "fixtures" / "streams"
SESSION = "5b0c0d0e-1111-4222-8333-444455556666"


def read(name: str) -> tuple[ClaudeParser, list[AgentEvent]]:
    """Return a parser that was fed the recorded lines, and the events."""
    parser = ClaudeParser()
    lines = (STREAMS / f"claude-{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return parser, [event for line in lines for event in parser.feed(line)]


def payloads(events: list[AgentEvent], kind: EventKind) -> Iterator[Any]:
    """Return the payloads of one kind."""
    return (event.payload for event in events if event.kind is kind)


def test_claude_text_is_given_once_although_it_is_sent_twice() -> None:
    """Deltas are pieces, whole blocks add only what was not streamed, a sub-agent's words are left out."""
    _, events = read("answer")
    pieces = [payload["text"] for payload in payloads(events, EventKind.TEXT)]
    assert pieces == ["I run ", "the tests.", "\n\nMended: a sign was wrong in `app.py`."]
    thoughts = [payload["text"] for payload in payloads(events, EventKind.THOUGHT)]
    assert thoughts == ["The tests come ", "first."]


def test_claude_tools_are_summarised_by_their_key_argument() -> None:
    """A call shows name and key argument, a result whether it went well, a to-do list becomes the plan."""
    _, events = read("answer")
    calls = {payload["id"]: payload["summary"] for payload in payloads(events, EventKind.TOOL_CALL)}
    assert calls == {
        "toolu_01": "TodoWrite",
        "toolu_02": "Bash: pytest -q",
        "toolu_03": "Task: Look at the failure",
        "toolu_04": "Read: /srv/work/app.py",
    }
    results = [(item["id"], item["ok"], item["summary"]) for item in payloads(events, EventKind.TOOL_RESULT)]
    assert results[1:] == [
        ("toolu_02", False, "1 failed, 41 passed"),
        ("toolu_03", True, "A sign was wrong in line 3."),
    ]
    assert [payload["steps"] for payload in payloads(events, EventKind.PLAN)] == [
        [{"text": "Run the tests", "state": "active"}, {"text": "Mend what fails", "state": "pending"}]
    ]


def test_claude_result_has_answer_session_and_usage() -> None:
    """The answer is the last message; the session is that of `init`, not of the hooks before it."""
    parser, events = read("answer")
    usage = {"input_tokens": 4218, "output_tokens": 424, "cost_usd": None}
    assert list(payloads(events, EventKind.SESSION)) == [{"session_id": SESSION}]
    assert list(payloads(events, EventKind.USAGE)) == []
    result = parser.result(0)
    assert (result.text, result.is_error) == ("Mended: a sign was wrong in `app.py`.", False)
    assert (result.session_id, result.usage, result.session_lost) == (SESSION, usage, False)
    assert result.session_usage == {"cost_usd": 0.0472}


def test_claude_lost_session_is_recognised_on_stdout() -> None:
    """A session that is gone is told as such, and its name is not kept."""
    parser, events = read("lost-session")
    result = parser.result(1)
    assert (result.is_error, result.session_lost, result.session_id) == (True, True, None)
    assert not list(payloads(events, EventKind.SESSION))


def test_claude_lost_session_is_recognised_on_stderr() -> None:
    """Older versions say it on stderr alone."""
    assert ClaudeParser().result(1, "No conversation found with session ID: 1234\n").session_lost
    assert not ClaudeParser().result(1, "something else").session_lost


@pytest.mark.parametrize(
    ("stream", "text", "error"),
    [
        ("max-turns", "Half of it is done.", "Claude Code reported: error max turns"),
        ("not-logged-in", "Invalid API key · Please run /login", "Invalid API key · Please run /login"),
        ("truncated", "I begin.", "Claude Code ended without a result."),
    ],
)
def test_claude_failures_keep_what_was_said(stream: str, text: str, error: str) -> None:
    """Whatever goes wrong, the run is a failure with a reason, and its text is kept."""
    result = read(stream)[0].result(0)
    assert (result.is_error, result.text, result.error) == (True, text, error)


def test_claude_truncated_line_becomes_a_notice() -> None:
    """Half a line is shown in the log, not raised."""
    _, events = read("truncated")
    assert next(payloads(events, EventKind.NOTICE))["text"].startswith('{"type":"assistant","message"')


def request(**more: Any) -> AgentRequest:
    """Return a request with some fields set."""
    return AgentRequest(**{"prompt": "-p is no option here", "workdir": Path("/srv/work"), **more})


def test_claude_command_keeps_the_prompt_off_the_command_line() -> None:
    """The prompt goes to standard input, session and model to options; the environment is the allowed one."""
    ours = {"PATH": "/bin", "ANTHROPIC_API_KEY": "k", "TELEGRAM_BOT_TOKEN": "secret"}
    backend = ClaudeBackend("claude", ours, "plan")
    command = backend.command(request(session_id=SESSION, model="opus", context="not sent to a session"))
    assert " ".join(command.argv) == (
        "claude -p --output-format stream-json --verbose --include-partial-messages"
        f" --permission-mode plan --model opus --resume {SESSION}"
    )
    assert command.stdin == b"-p is no option here"
    assert command.env == {"PATH": "/bin", "ANTHROPIC_API_KEY": "k"}


def test_claude_command_gives_the_context_to_a_new_session() -> None:
    """Without a session the earlier conversation goes before the prompt."""
    command = ClaudeBackend("claude", {}).command(request(prompt="And now?", context="User: hello"))
    assert command.stdin == b"Earlier in this conversation:\n\nUser: hello\n\nNow:\n\nAnd now?"
    assert "--resume" not in command.argv


@pytest.mark.parametrize("field", ["session_id", "model"])
def test_claude_command_refuses_words_that_are_options(field: str) -> None:
    """A session or a model cannot smuggle an option onto the command line."""
    with pytest.raises(BadInput, match="--dangerously"):
        ClaudeBackend("claude", {}).command(request(**{field: "--dangerously-skip-permissions"}))


def test_claude_servers_are_the_only_ones_and_may_be_used() -> None:
    """The run's servers stand in a private file; no other is started, and their tools need no leave."""
    servers = (
        McpServer("sky", "/bin/sky", ("-x",), {"SKY_KEY": "k"}),
        McpServer("net", url="http://net/mcp", headers={"X-Key": "k"}),
    )
    command = ClaudeBackend("claude", {}).command(request(private_dir=Path("/private"), mcp_servers=servers))
    (path,) = command.files
    assert " ".join(command.argv).endswith(
        f"--mcp-config {path} --strict-mcp-config --allowedTools mcp__sky,mcp__net"
    )
    assert json.loads(command.files[path]) == {
        "mcpServers": {
            "sky": {"command": "/bin/sky", "args": ["-x"], "env": {"SKY_KEY": "k"}},
            "net": {"type": "http", "url": "http://net/mcp", "headers": {"X-Key": "k"}},
        }
    }


def test_servers_without_a_private_folder_are_a_mistake_of_the_caller() -> None:
    """There is no other place for their secrets."""
    with pytest.raises(ValueError, match="private_dir"):
        ClaudeBackend("claude", {}).command(request(mcp_servers=(McpServer("sky", "/bin/sky"),)))


def test_claude_recorded_run_is_read_like_the_documented_one() -> None:
    """A run of the real program: a refused command, a file, the answer, the tokens."""
    parser, events = read("recorded")
    calls = [(call["name"], call["summary"]) for call in payloads(events, EventKind.TOOL_CALL)]
    assert calls == [("Bash", "Bash: echo 1 failed; exit 3"), ("Write", "Write: /srv/work/new.py")]
    assert [result["ok"] for result in payloads(events, EventKind.TOOL_RESULT)] == [False, True]
    result = parser.result(0)
    assert (result.text, result.is_error) == ("Mended: a sign was wrong in `app.py`.", False)
    assert result.usage == {"input_tokens": 300, "output_tokens": 30, "cost_usd": None}
    assert result.session_usage == {"cost_usd": 0.0018000000000000002}


def test_claude_answers_aside_from_a_copy_of_the_session_with_tools_that_read() -> None:
    """A side question never goes on in the session, and has no tool that writes, whatever settings allow."""
    command = ClaudeBackend("claude", {}, "bypassPermissions").command(
        request(aside=True, session_id=SESSION)
    )
    argv = " ".join(command.argv)
    assert "--permission-mode dontAsk --tools Read,Grep,Glob --strict-mcp-config" in argv
    assert f"--resume {SESSION} --fork-session" in argv
    assert command.stdin is not None
    assert b"This is a side question" in command.stdin


def test_claude_that_can_be_told_takes_lines_and_repeats_them() -> None:
    """Its input stays open only where somebody may say something."""
    told = ClaudeBackend("claude", {}).command(request(takes_words=True)).argv
    assert {"--input-format", "--replay-user-messages"} <= set(told)
    assert "--input-format" not in ClaudeBackend("claude", {}).command(request()).argv


def test_claude_turns_of_one_run_are_one_answer() -> None:
    """What was said meanwhile may begin another turn: both answers and their tokens count."""
    parser = ClaudeParser()
    for answer in ("First.", "Second."):
        usage = {"input_tokens": 3, "output_tokens": 2}
        line = {"type": "result", "subtype": "success", "result": answer, "usage": usage}
        list(parser.feed(json.dumps(line)))
    result = parser.result(None)
    assert (result.text, parser.turns) == ("First.\n\nSecond.", 2)
    assert result.usage == {"input_tokens": 6, "output_tokens": 4, "cost_usd": None}
