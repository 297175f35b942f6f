"""Codex's command line and lines; the streams were recorded from its program."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wireroom.backends.codex import CodexBackend, CodexParser, inner_command
from wireroom.backends.protocol import AgentEvent, AgentRequest, EventKind, McpServer
from wireroom.errors import BadInput

STREAMS = Path(__file__).parents[2] / "fixtures" / "streams"
SESSION = "5b0c0d0e-1111-4222-8333-000000000001"


def feed(*lines: str) -> tuple[CodexParser, list[AgentEvent]]:
    """Return a parser that was fed the lines, and the events."""
    parser = CodexParser()
    return parser, [event for line in lines for event in parser.feed(line)]


def read(name: str) -> tuple[CodexParser, list[AgentEvent]]:
    """Return a parser that was fed a recorded stream, and the events."""
    return feed(*(STREAMS / f"codex-{name}.jsonl").read_text(encoding="utf-8").splitlines())


def item(kind: str, step: str = "completed", **fields: Any) -> str:
    """Return the line of an item."""
    return json.dumps({"type": f"item.{step}", "item": {"id": "item_7", "type": kind, **fields}})


def payloads(events: list[AgentEvent], kind: EventKind) -> Iterator[Any]:
    """Return the payloads of one kind."""
    return (event.payload for event in events if event.kind is kind)


def test_codex_run_becomes_session_tools_answer_and_usage() -> None:
    """A recorded run: a command that fails, one that does not, the answer, the session's tokens."""
    parser, events = read("answer")
    assert list(payloads(events, EventKind.SESSION)) == [{"session_id": SESSION}]
    calls = [(call["name"], call["summary"]) for call in payloads(events, EventKind.TOOL_CALL)]
    assert calls[0] == ("shell", "shell: echo 1 failed; exit 3")
    results = [(result["ok"], result["summary"]) for result in payloads(events, EventKind.TOOL_RESULT)]
    assert results == [(False, "1 failed"), (True, "")]
    assert list(payloads(events, EventKind.USAGE)) == []
    result = parser.result(0)
    assert (result.text, result.is_error) == ("Mended: a sign was wrong in `app.py`.", False)
    assert (result.session_id, result.usage) == (SESSION, {})
    assert result.session_usage == {"input_tokens": 300, "output_tokens": 30}


def test_codex_figure_that_is_not_told_is_not_zero() -> None:
    """Nothing is subtracted from what nobody said."""
    parser, _ = feed('{"type":"turn.completed","usage":{"output_tokens":3}}')
    assert parser.result(0).session_usage == {"output_tokens": 3}


def test_codex_tool_of_an_mcp_server_is_named_after_it() -> None:
    """A recorded call of an MCP server shows server, tool and what came back."""
    _, events = read("mcp")
    assert [call["name"] for call in payloads(events, EventKind.TOOL_CALL)] == ["sky.weather"]
    results = [(result["ok"], result["summary"]) for result in payloads(events, EventKind.TOOL_RESULT)]
    assert results == [(True, "sun in Rome with a key")]


def test_codex_failure_says_why() -> None:
    """A recorded run without a valid key: each new attempt is a notice, the last word is the reason."""
    parser, events = read("no-key")
    notices = [payload["text"] for payload in payloads(events, EventKind.NOTICE)]
    assert notices[0].startswith("Reconnecting... 1/5")
    result = parser.result(1)
    assert (result.is_error, result.session_lost) == (True, False)
    assert result.error is not None
    assert result.error.startswith("unexpected status 401 Unauthorized: No such key")


def test_codex_error_in_json_is_told_in_words() -> None:
    """Codex hands a provider's JSON on as it is; people get its message."""
    body = json.dumps({"error": {"message": "The model is too busy.", "code": "busy"}})
    parser, _ = feed(json.dumps({"type": "turn.failed", "error": {"message": body}}))
    assert parser.result(1).error == "The model is too busy."


def test_codex_failed_attempt_is_no_failure_when_the_turn_completes() -> None:
    """A connection that was made again is forgotten."""
    parser, _ = feed(
        '{"type":"error","message":"Reconnecting... 1/5"}',
        item("agent_message", text="Here I am."),
        '{"type":"turn.completed","usage":{}}',
    )
    result = parser.result(0)
    assert (result.is_error, result.error, result.text) == (False, None, "Here I am.")


def test_codex_lost_session_is_recognised_on_stderr() -> None:
    """Codex says it there, and nothing on its output."""
    told = "Error: thread/resume: thread/resume failed: no rollout found for thread id 1111 (code -32600)\n"
    assert CodexParser().result(1, told).session_lost
    assert not CodexParser().result(1, "Error: no network").session_lost


@pytest.mark.parametrize(
    ("line", "kind", "payload"),
    [
        (
            item("file_change", changes=[{"path": "/w/a.py", "kind": "add"}], status="completed"),
            EventKind.TOOL_CALL,
            {"id": "item_7", "name": "edit", "summary": "edit: /w/a.py"},
        ),
        (
            item("web_search", step="started", query="moon"),
            EventKind.TOOL_CALL,
            {"id": "item_7", "name": "web search", "summary": "web search: moon"},
        ),
        (
            item("mcp_tool_call", server="s", tool="t", status="failed", error={"message": "No."}),
            EventKind.TOOL_RESULT,
            {"id": "item_7", "ok": False, "summary": "No."},
        ),
        (item("reasoning", text="Hm."), EventKind.THOUGHT, {"text": "Hm."}),
        (item("error", message="Old settings."), EventKind.NOTICE, {"text": "Old settings."}),
        (
            item("todo_list", step="updated", items=[{"text": "Look", "completed": True}, {"text": "Mend"}]),
            EventKind.PLAN,
            {"steps": [{"text": "Look", "state": "done"}, {"text": "Mend", "state": "pending"}]},
        ),
    ],
    ids=["edit", "search", "mcp-failed", "reasoning", "error-item", "plan"],
)
def test_codex_items_become_events(line: str, kind: EventKind, payload: dict[str, Any]) -> None:
    """Each kind of item is shown as what it is; documented items that no recording holds."""
    _, events = feed(line)
    assert payload in list(payloads(events, kind))


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("/bin/bash -lc 'make test'", "make test"),
        ("""bash -c "printf '%s' x" """, "printf '%s' x"),
        ("make test", "make test"),
        ("/bin/bash -lc 'no end", "/bin/bash -lc 'no end"),
        ("sh -c a b", "sh -c a b"),
    ],
)
def test_codex_shell_is_not_shown(command: str, shown: str) -> None:
    """People read the command, not the shell that runs it."""
    assert inner_command(command) == shown


def request(**more: Any) -> AgentRequest:
    """Return a request with some fields set."""
    return AgentRequest(**{"prompt": "--help is no option here", "workdir": Path("/srv/work"), **more})


def test_codex_command_reads_the_prompt_from_standard_input() -> None:
    """Sandbox, model and session are options, the prompt is not; the environment is the allowed one."""
    ours = {"PATH": "/bin", "CODEX_HOME": "/c", "OPENAI_API_KEY": "k", "TELEGRAM_BOT_TOKEN": "secret"}
    command = CodexBackend("codex", ours, "read-only").command(request(session_id=SESSION, model="gpt-5.5"))
    assert " ".join(command.argv) == (
        f"codex exec --json --skip-git-repo-check --sandbox read-only --model gpt-5.5 resume {SESSION} -"
    )
    assert command.stdin == b"--help is no option here"
    assert command.env == {"PATH": "/bin", "CODEX_HOME": "/c", "OPENAI_API_KEY": "k"}


def test_codex_command_of_a_new_session_has_context_and_the_note() -> None:
    """A new session reads what was said before, and that it goes on after an interruption."""
    command = CodexBackend("codex", {}).command(request(context="User: hello", goes_on=True))
    assert command.stdin is not None
    assert command.stdin.startswith(
        b"Earlier in this conversation:\n\nUser: hello\n\nNow:\n\n(You were interrupted"
    )
    assert "resume" not in command.argv


@pytest.mark.parametrize("field", ["session_id", "model"])
def test_codex_command_refuses_words_that_are_options(field: str) -> None:
    """A session or a model cannot smuggle an option onto the command line."""
    with pytest.raises(BadInput, match="--last"):
        CodexBackend("codex", {}).command(request(**{field: "--last"}))


def test_codex_servers_are_one_toml_option() -> None:
    """Names and addresses stand on the command line as TOML; the values of variables and headers do not."""
    servers = (
        McpServer("my sky", "/bin/sky", ('--name="é"', "\n"), {"SKY_KEY": "k1"}),
        McpServer("net", url="http://net/mcp", headers={"Authorization": "Bearer k2"}),
    )
    command = CodexBackend("codex", {"PATH": "/bin"}).command(request(mcp_servers=servers))
    option = command.argv[command.argv.index("-c") + 1]
    assert tomllib.loads(option)["mcp_servers"] == {
        "my sky": {
            "command": "/bin/sky",
            "args": ['--name="é"', "\n"],
            "env_vars": ["SKY_KEY"],
            "default_tools_approval_mode": "approve",
        },
        "net": {
            "url": "http://net/mcp",
            "env_http_headers": {"Authorization": "WIREROOM_MCP_1_0"},
            "default_tools_approval_mode": "approve",
        },
    }
    assert command.env == {"PATH": "/bin", "SKY_KEY": "k1", "WIREROOM_MCP_1_0": "Bearer k2"}


@pytest.mark.parametrize(
    "servers",
    [
        (McpServer("a", "a", env={"PATH": "/other"}),),
        (McpServer("a", "a", env={"KEY": "1"}), McpServer("b", "b", env={"KEY": "2"})),
    ],
    ids=["codex-and-server", "two-servers"],
)
def test_codex_servers_that_contradict_are_refused(servers: tuple[McpServer, ...]) -> None:
    """One variable cannot have two values; the message names it."""
    with pytest.raises(BadInput, match=r"(PATH|KEY) of the MCP server '[ab]' has another value"):
        CodexBackend("codex", {"PATH": "/bin"}).command(request(mcp_servers=servers))
