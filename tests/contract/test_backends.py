"""What every back end promises, on real processes: its own program, or one that plays a recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wireroom.backends.claude import ClaudeBackend
from wireroom.backends.codex import CodexBackend
from wireroom.backends.cursor import CursorBackend
from wireroom.backends.demo import DemoBackend
from wireroom.backends.gemini import GeminiBackend
from wireroom.backends.opencode import OpenCodeBackend
from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Backend, EventKind, McpServer
from wireroom.runs.supervisor import Limits, Outcome, Receivers, supervise
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend

STREAMS = Path(__file__).parents[1] / "fixtures" / "streams"

OURS = {
    "PATH": "/usr/bin:/bin",
    "WEBHOOK_SECRET": "secret",
    "TELEGRAM_BOT_TOKEN": "secret",
    "WIREROOM_DATABASE_URL": "secret",
}

SHAPES: dict[EventKind, dict[str, type | tuple[type, ...]]] = {
    EventKind.TEXT: {"text": str},
    EventKind.THOUGHT: {"text": str},
    EventKind.TOOL_CALL: {"id": str, "name": str, "summary": str},
    EventKind.TOOL_RESULT: {"id": str, "ok": bool, "summary": str},
    EventKind.PLAN: {"steps": list},
    EventKind.SESSION: {"session_id": str},
    EventKind.USAGE: {"input_tokens": int, "output_tokens": int, "cost_usd": (float, type(None))},
    EventKind.NOTICE: {"text": str},
}


@dataclass
class Case:
    """A back end, and a prompt that makes it use a tool and answer."""

    backend: Backend
    prompt: str


@dataclass
class Played:
    """One whole run."""

    lines: list[str]
    events: list[AgentEvent]
    result: AgentResult
    outcome: Outcome

    def payloads(self, kind: EventKind) -> list[Any]:
        """Return the payloads of one kind."""
        return [event.payload for event in self.events if event.kind is kind]


def player(folder: Path, stream: str) -> str:
    """Return a program that keeps its prompt in a file and plays back the recorded output."""
    program = folder / "player"
    program.write_text(f"#!/bin/sh\ncat > '{folder}/prompt'\ncat '{STREAMS / stream}'\n")
    program.chmod(0o755)
    return str(program)


def demo(_folder: Path) -> Case:
    """Return the demo agent."""
    return Case(DemoBackend(OURS), "write hello to notes.txt")


def scripted(folder: Path) -> Case:
    """Return the scripted agent."""
    prompt = "session s-1; think first this; tool Bash; say hel; say lo"
    return Case(ScriptedBackend(ScriptedAgent(folder)), prompt)


def claude(folder: Path) -> Case:
    """Return Claude Code, played back."""
    return Case(ClaudeBackend(player(folder, "claude-answer.jsonl"), OURS), "mend it")


def cursor(folder: Path) -> Case:
    """Return Cursor's agent, played back."""
    return Case(CursorBackend(player(folder, "cursor-answer.jsonl"), OURS), "summarise it")


def claude_recorded(folder: Path) -> Case:
    """Return Claude Code, played back from a real run."""
    return Case(ClaudeBackend(player(folder, "claude-recorded.jsonl"), OURS), "mend it")


def codex(folder: Path) -> Case:
    """Return Codex, played back from a real run."""
    return Case(CodexBackend(player(folder, "codex-answer.jsonl"), OURS), "mend it")


def gemini(folder: Path) -> Case:
    """Return Gemini CLI, played back from a real run."""
    return Case(GeminiBackend(player(folder, "gemini-answer.jsonl"), OURS), "mend it")


def opencode(folder: Path) -> Case:
    """Return OpenCode, played back from a real run."""
    return Case(OpenCodeBackend(player(folder, "opencode-answer.jsonl"), OURS), "mend it")


MAKERS = [demo, scripted, claude, claude_recorded, cursor, codex, gemini, opencode]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """Lend each back end in turn."""
    make: Callable[[Path], Case] = request.param
    return make(tmp_path)


async def play(case: Case, folder: Path) -> Played:
    """Run the case's prompt to its end."""
    parser, lines, events = case.backend.parser(), list[str](), list[AgentEvent]()

    def take(line: str) -> None:
        lines.append(line)
        events.extend(parser.feed(line))

    command = case.backend.command(AgentRequest(case.prompt, folder))
    outcome = await supervise(
        command, Limits(), Receivers(take), cancel=asyncio.Event(), spill_dir=folder / "spill"
    )
    return Played(lines, events, parser.result(outcome.exit_code, outcome.stderr.text), outcome)


async def test_backend_answers(case: Case, tmp_path: Path) -> None:
    """A run that succeeds has an answer, which was also streamed, and the session that gave it."""
    played = await play(case, tmp_path)
    assert played.outcome.exit_code == 0
    assert not played.result.is_error
    assert played.result.error is None
    streamed = "".join(payload["text"] for payload in played.payloads(EventKind.TEXT))
    assert played.result.text
    assert streamed.endswith(played.result.text)
    sessions = [payload["session_id"] for payload in played.payloads(EventKind.SESSION)]
    assert sessions == [played.result.session_id]


async def test_backend_events_have_their_shape(case: Case, tmp_path: Path) -> None:
    """Every payload has exactly the fields of its kind; a tool's result follows its call."""
    played = await play(case, tmp_path)
    for event in played.events:
        shape = SHAPES[event.kind]
        assert set(event.payload) == set(shape)
        assert all(isinstance(event.payload[name], kind) for name, kind in shape.items())
    for plan in played.payloads(EventKind.PLAN):
        assert all(step["state"] in {"pending", "active", "done"} and step["text"] for step in plan["steps"])
    calls = [payload["id"] for payload in played.payloads(EventKind.TOOL_CALL)]
    assert calls
    assert {payload["id"] for payload in played.payloads(EventKind.TOOL_RESULT)} <= set(calls)
    assert not played.payloads(EventKind.NOTICE)


def test_backend_command_hides_prompt_and_secrets(case: Case, tmp_path: Path) -> None:
    """The prompt is on standard input alone, and nothing of ours is in the environment."""
    command = case.backend.command(AgentRequest("what nobody else may read", tmp_path))
    assert (command.cwd, command.stdin) == (tmp_path, b"what nobody else may read")
    assert "what nobody else may read" not in " ".join(command.argv)
    assert "secret" not in command.env.values()


async def test_backend_takes_a_prompt_of_any_length(case: Case, tmp_path: Path) -> None:
    """A prompt that is longer than any argument may be goes to standard input, and arrives whole."""
    long = AgentRequest("say x; " + "x" * 200_000, tmp_path)
    command = case.backend.command(long)
    outcome = await supervise(
        command, Limits(), Receivers(lambda _line: None), cancel=asyncio.Event(), spill_dir=tmp_path / "spill"
    )
    assert outcome.exit_code is not None
    assert command.stdin == long.prompt.encode()
    kept = tmp_path / "prompt"
    assert not kept.exists() or kept.read_bytes() == command.stdin


def test_backend_brings_its_mcp_servers(case: Case, tmp_path: Path) -> None:
    """The run's servers stand in its private folder or on its command line, which has no secrets."""
    private, key = tmp_path / "private", "k3y-of-the-server"
    server = McpServer("sky", "/bin/sky", ("--fast",), {"SKY_KEY": key})
    request = AgentRequest("hello", tmp_path, private_dir=private, mcp_servers=(server,))
    command = case.backend.command(request)
    assert all(path.is_relative_to(private) for path in command.files)
    assert key not in " ".join(command.argv)
    if not isinstance(case.backend, (DemoBackend, ScriptedBackend)):
        told = [content.decode() for content in command.files.values()]
        assert any("/bin/sky" in text for text in (*told, *command.argv))
        assert any(key in text for text in (*told, *command.env.values()))


def test_backend_resumes_its_session(case: Case, tmp_path: Path) -> None:
    """A back end that claims to resume sessions names the session to its program, in one safe word."""
    assert case.backend.resumes_sessions
    fresh = case.backend.command(AgentRequest("hello", tmp_path))
    resumed = case.backend.command(AgentRequest("hello", tmp_path, session_id="abc-123"))
    if not isinstance(case.backend, ScriptedBackend):
        assert "abc-123" in resumed.argv
        assert "abc-123" not in fresh.argv


async def test_backend_keeps_what_was_said_when_cut_off(case: Case, tmp_path: Path) -> None:
    """A run that was killed has no result line: it failed, and its text so far is kept."""
    played = await play(case, tmp_path)
    parser = case.backend.parser()
    said = "".join(
        event.payload["text"]
        for line in played.lines[:-1]
        for event in parser.feed(line)
        if event.kind is EventKind.TEXT
    )
    result = parser.result(None)
    assert (result.is_error, result.text, result.session_lost) == (True, said, False)
    assert said


def test_backend_that_says_nothing_failed(case: Case) -> None:
    """Exit 0 alone is no success."""
    result = case.backend.parser().result(0)
    assert result.is_error
    assert result.error


@pytest.mark.parametrize("line", ["plain words", '{"half": ', "[1, 2]", "{}", "\ufffd\x00"])
def test_backend_shows_odd_lines_as_notices(case: Case, line: str) -> None:
    """A line that is no event is shown in the log."""
    events = list(case.backend.parser().feed(line))
    assert [event.kind for event in events] == [EventKind.NOTICE]


def test_backend_ignores_blank_lines(case: Case) -> None:
    """An empty line is nothing."""
    assert list(case.backend.parser().feed("  ")) == []
