"""The `acp` back end with a scripted agent as a real process: what it tells, asks, and does wrong."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from contract.acp_sessions import QUICK, AcpSession, RecordingHost
from wireroom.backends.acp import AcpBackend
from wireroom.backends.protocol import AgentRequest, EventKind, McpServer, PermissionAnswer
from wireroom.errors import AgentUnavailable
from wireroom.runs.limits import Ending
from wireroom.runs.process_group import Members
from wireroom.testing.acp_agent import ScriptedAcpAgent
from wireroom.testing.eventually import eventually
from wireroom.testing.leaks import LeakCheck

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Fail a test that leaves a process, a descriptor or a task behind."""
    check = LeakCheck("test-")
    yield
    await check.assert_none()


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAcpAgent:
    """Lend the scripted agent."""
    return ScriptedAcpAgent(tmp_path / "agent")


@pytest.fixture
def session(agent: ScriptedAcpAgent, tmp_path: Path) -> AcpSession:
    """Lend its session."""
    return AcpSession(agent.backend(), tmp_path)


def _is_gone(session: AcpSession) -> bool:
    return not any(Members(mark, owns_group=False).find() for mark in session.marks)


async def test_a_turn_tells_everything_as_events(session: AcpSession) -> None:
    """Text, reasoning, plan, tools, session and usage come as events; the last message is the answer."""
    host = RecordingHost()
    script = "think hm; plan look, write; say one ; tool read notes.txt; say two; spend 10 5 0.25"
    served = await session.ask(script, host)
    assert (served.outcome.ending, served.outcome.exit_code) == (Ending.EXITED, 0)
    assert (served.result.is_error, served.result.text) == (False, "two")
    assert served.result.usage == {"input_tokens": 10, "output_tokens": 5, "cost_usd": None}
    assert served.result.session_usage == {"cost_usd": 0.25}
    assert host.payloads(EventKind.THOUGHT) == [{"text": "hm"}]
    assert host.payloads(EventKind.PLAN) == [
        {"steps": [{"text": "look", "state": "done"}, {"text": "write", "state": "active"}]}
    ]
    assert host.payloads(EventKind.TOOL_CALL) == [{"id": "t1", "name": "read", "summary": "read: notes.txt"}]
    assert host.payloads(EventKind.TOOL_RESULT) == [{"id": "t1", "ok": True, "summary": "done"}]
    assert "".join(one["text"] for one in host.payloads(EventKind.TEXT)) == "one\n\ntwo"
    assert host.payloads(EventKind.SESSION) == [{"session_id": served.result.session_id}]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (PermissionAnswer.ALLOWED, "allowed"),
        (PermissionAnswer.DENIED, "denied"),
        (PermissionAnswer.EXPIRED, "denied"),
    ],
)
async def test_permission_is_asked_and_the_answer_obeyed(
    session: AcpSession, answer: PermissionAnswer, said: str
) -> None:
    """A question reaches the host once, and the agent gets the option that means the answer, once."""
    host = RecordingHost(answer)
    served = await session.ask("ask execute rm -rf build", host)
    assert served.result.text == said
    [question] = host.questions
    assert (question.tool, question.subject) == ("execute", "rm -rf build")


async def test_the_same_question_has_the_same_digest(session: AcpSession) -> None:
    """Questions are known again by tool and input, whatever number the agent gives them."""
    host = RecordingHost()
    await session.ask("ask execute ls; ask execute ls; ask execute ls -l", host)
    first, second, third = (question.digest for question in host.questions)
    assert first == second != third


async def test_time_that_a_person_takes_is_no_silence(agent: ScriptedAcpAgent, tmp_path: Path) -> None:
    """A run outlives its idle limit while a person thinks about a question."""
    session = AcpSession(agent.backend(), tmp_path, replace(QUICK, idle=timedelta(seconds=0.5)))
    served = await session.ask("ask execute ls", RecordingHost(seconds=1.2))
    assert served.result.text == "allowed"


async def test_a_silent_agent_is_stopped(agent: ScriptedAcpAgent, tmp_path: Path) -> None:
    """Silence of both sides ends the run as an idle timeout, and what was said is kept."""
    session = AcpSession(agent.backend(), tmp_path, replace(QUICK, idle=timedelta(seconds=0.5)))
    served = await session.ask("say so far; hang")
    assert served.outcome.ending is Ending.IDLE_TIMEOUT
    assert served.result.text == "so far"
    assert _is_gone(session)


@pytest.mark.parametrize("prelude", ["", "deaf; ", "stubborn; "], ids=["polite", "deaf", "stubborn"])
async def test_a_stop_ends_every_agent(session: AcpSession, agent: ScriptedAcpAgent, prelude: str) -> None:
    """Told to stop, an agent may end by itself; one that does not listen is killed, soon."""
    running = asyncio.create_task(session.ask(f"{prelude}say begun; hang"))
    await eventually(lambda: bool(agent.received("session/prompt")), "it has begun")
    await asyncio.sleep(0.2)
    started = time.monotonic()
    session.stop.set()
    served = await running
    assert served.outcome.ending is Ending.CANCELLED
    assert served.result.text == "begun"
    assert time.monotonic() - started < 3
    assert agent.received("session/cancel")
    assert _is_gone(session)


async def test_a_stop_answers_what_is_still_asked(session: AcpSession, agent: ScriptedAcpAgent) -> None:
    """An agent that waits for permission when it is stopped hears that the question is cancelled."""
    host = RecordingHost(seconds=30)
    running = asyncio.create_task(session.ask("deaf; ask execute ls; hang", host))
    await eventually(lambda: bool(host.questions), "it asks")
    session.stop.set()
    served = await running
    assert served.outcome.ending is Ending.CANCELLED
    answers = [one["result"] for one in agent.received() if "outcome" in one.get("result", {})]
    assert answers == [{"outcome": {"outcome": "cancelled"}}]


async def _until(condition: Callable[[], bool]) -> None:
    await eventually(condition, "the process is gone")


@pytest.mark.parametrize(
    ("script", "reason", "exit_code"),
    [
        ("say part; exit 3", None, 3),
        ("say part; crash", None, None),
        ("say part; exit 0", "ended before it had answered", 1),
        ("say part; close", "closed its output", 1),
        ("say part; refuse out of order", "out of order", 1),
        ("say part; stop refusal", "refused", 1),
        ("say part; stop max_tokens", "longest answer", 1),
        ("say part; stop tired", "tired", 1),
    ],
)
async def test_a_turn_without_its_end_is_a_failure(
    session: AcpSession, script: str, reason: str | None, exit_code: int | None
) -> None:
    """Whatever keeps an agent from answering is a failure that says why, with what it had said."""
    served = await session.ask(script)
    assert served.outcome.ending is Ending.EXITED
    assert served.result.is_error
    assert served.outcome.exit_code == exit_code
    assert served.result.text == "part"
    assert reason is None or reason in (served.result.error or "")
    await _until(lambda: _is_gone(session))


@pytest.mark.parametrize(
    "script",
    [
        "raw {not json; raw []; raw null; noise oh; say done",
        'raw {"jsonrpc":"2.0","id":77,"result":{}}; raw {"id":true,"method":"x"}; say done',
        'raw {"jsonrpc":"2.0","method":"session/update","params":{"sessionId":7}}; say done',
        "line 200000; say done",
        "flood 20000; say done",
        "orphan; say done",
    ],
)
async def test_odd_output_does_not_keep_an_agent_from_its_answer(session: AcpSession, script: str) -> None:
    """Garbage, unknown messages, long lines, floods and left children change no answer and leave nothing."""
    served = await session.ask(script)
    assert (served.result.is_error, served.result.text) == (False, "done")
    assert _is_gone(session)


async def test_files_are_written_and_read_within_the_folder_alone(
    session: AcpSession, tmp_path: Path
) -> None:
    """An agent reads and writes files of its folder through us; a path or link out of it is refused."""
    served = await session.ask("write sub/notes.txt hello")
    assert served.result.text == "written"
    assert (tmp_path / "work" / "sub" / "notes.txt").read_text() == "hello"
    assert (await session.ask("read sub/notes.txt")).result.text == "hello"
    (tmp_path / "work" / "link").symlink_to(tmp_path)
    for path in ("../stolen", f"{tmp_path}/stolen", "link/stolen"):
        assert "outside the folder" in (await session.ask(f"write {path} x")).result.text
    assert not (tmp_path / "stolen").exists()
    assert "Resource not found" in (await session.ask("read missing")).result.text


async def test_terminals_are_declined(session: AcpSession) -> None:
    """What we do not offer is answered as an unknown method, not left open."""
    assert (await session.ask("terminal")).result.text == "-32601"


async def test_a_session_is_taken_up_without_its_history(session: AcpSession) -> None:
    """A resumed session keeps its name, and the history that the agent replays is no answer."""
    first = await session.ask("say one")
    second = await session.ask("say two", session_id=first.result.session_id)
    assert second.result.session_id == first.result.session_id
    assert second.result.text == "two"


async def test_a_lost_session_is_told(session: AcpSession, agent: ScriptedAcpAgent) -> None:
    """A session that the agent has forgotten is said to be lost, so that it is asked anew with context."""
    first = await session.ask("say one")
    agent.forget_sessions()
    served = await session.ask("say two", session_id=first.result.session_id)
    assert (served.result.is_error, served.result.session_lost) == (True, True)


async def test_an_agent_without_memory_gives_no_session(tmp_path: Path) -> None:
    """An agent that cannot take a session up has none that were worth remembering."""
    host = RecordingHost()
    session = AcpSession(ScriptedAcpAgent(tmp_path / "agent", can_load=False).backend(), tmp_path)
    served = await session.ask("say one", host)
    assert served.result.session_id is None
    assert host.payloads(EventKind.SESSION) == []


async def test_a_login_by_key_needs_nobody(tmp_path: Path) -> None:
    """An agent that wants a login gets the one that needs only a key; one for people fails, and says so."""
    by_key = AcpSession(ScriptedAcpAgent(tmp_path / "a", login="gemini-api-key").backend(), tmp_path)
    assert (await by_key.ask("say in")).result.text == "in"
    by_person = AcpSession(ScriptedAcpAgent(tmp_path / "b", login="oauth").backend(), tmp_path)
    assert "Log in" in ((await by_person.ask("say in")).result.error or "")


async def test_mcp_servers_are_named_in_the_new_session(session: AcpSession) -> None:
    """The run's MCP servers go into the session; one that the agent cannot reach is told of in the log."""
    host = RecordingHost()
    board = McpServer("board", command="board-mcp", args=("--read",), env={"KEY": "1"})
    web = McpServer("web", url="http://127.0.0.1:1/mcp")
    served = await session.ask("servers", host, mcp_servers=(board, web))
    assert '"command": "board-mcp"' in served.result.text
    assert "http://127.0.0.1:1" not in served.result.text
    assert "web" in host.payloads(EventKind.NOTICE)[0]["text"]


async def test_the_model_is_chosen_or_the_run_fails(session: AcpSession) -> None:
    """A model that the agent offers is chosen; another one is no reason to take any."""
    assert (await session.ask("model", model="large")).result.text == "large"
    refused = await session.ask("model", model="huge")
    assert refused.result.is_error
    assert "huge" in (refused.result.error or "")


async def test_a_long_prompt_arrives_whole(session: AcpSession, agent: ScriptedAcpAgent) -> None:
    """200 kB of prompt reach the agent over its standard input."""
    prompt = "say ok\n" + "x" * 200_000
    assert (await session.ask(prompt)).result.text == "ok"
    [sent] = agent.received("session/prompt")
    assert sent["params"]["prompt"][0]["text"] == prompt


async def test_a_program_that_is_no_such_agent_is_a_failure(tmp_path: Path) -> None:
    """A program that only echoes, ends at once or is missing fails with a reason."""
    path = {"PATH": os.environ["PATH"]}
    silent = AcpSession(AcpBackend("true", path), tmp_path)
    assert "before it had answered" in ((await silent.ask("say x")).result.error or "")
    echo = await AcpSession(AcpBackend("cat", path), tmp_path).ask("say x")
    assert "does not speak the Agent Client Protocol" in (echo.result.error or "")
    with pytest.raises(AgentUnavailable, match="cannot be started"):
        await AcpSession(AcpBackend("no-such-agent acp", path), tmp_path).ask("say x")
    with pytest.raises(AgentUnavailable, match="WIREROOM_ACP_COMMAND"):
        AcpBackend("", path).command(AgentRequest("x", tmp_path))


async def test_nothing_of_ours_is_in_the_agents_environment(tmp_path: Path) -> None:
    """The agent sees keys of agents and common variables, none of Wireroom's own."""
    agent = ScriptedAcpAgent(tmp_path / "agent")
    ours = {"PATH": os.environ["PATH"], "TELEGRAM_BOT_TOKEN": "t", "WIREROOM_X": "x", "OPENAI_API_KEY": "k"}
    session = AcpSession(AcpBackend(agent.command, ours), tmp_path)
    served = await session.ask("env TELEGRAM_BOT_TOKEN; env WIREROOM_X; env OPENAI_API_KEY")
    assert served.result.text == "(unset)(unset)k"
