"""What a trial of a back end finds: real programs that answer, fail, hang and are not there."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from wireroom.doctor.back_end_trial import LIMIT, try_back_end
from wireroom.doctor.back_ends import list_back_ends
from wireroom.doctor.findings import Finding
from wireroom.errors import NotFound
from wireroom.settings import Settings
from wireroom.testing.acp_agent import ScriptedAcpAgent

pytestmark = pytest.mark.timeout(60)
SECRET = "sk-planted-secret"


def _program(folder: Path, body: str) -> str:
    path = folder / "agent"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    return str(path)


async def _found(name: str, limit: timedelta = LIMIT, **settings: Any) -> Finding:
    return await try_back_end(name, Settings(**settings), os.environ, limit)


@pytest.mark.parametrize(
    ("body", "fine", "said"),
    [
        ('echo "2.1.3 (Claude Code)"', True, "starts; version 2.1.3 (Claude Code)"),
        ("echo no key >&2; exit 3", False, "ended with 3 and said: no key"),
        ("kill -9 $$", False, "ended with -9 and said: nothing"),
    ],
    ids=["answers", "fails", "is killed"],
)
async def test_program_is_asked_for_its_version(tmp_path: Path, body: str, fine: bool, said: str) -> None:
    """The finding says what the program said, and for a failure what to do."""
    found = await _found("claude", claude_cli_path=_program(tmp_path, body))
    assert (found.ok, said in found.text, bool(found.mend)) == (fine, True, not fine)


def is_alive(pid_file: Path) -> bool:
    """Tell whether the process whose number stands in the file is there."""
    return Path(f"/proc/{pid_file.read_text().strip()}").exists()


async def test_program_that_hangs_is_ended(tmp_path: Path) -> None:
    """It is given up after the limit, and no process of it is left."""
    path = _program(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    found = await _found("codex", timedelta(seconds=2), codex_cli_path=path)
    assert (found.ok, found.text) == (False, "gave no answer within 2 s")
    assert not is_alive(tmp_path / "pid")


async def test_program_sees_only_what_an_agent_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wireroom's own secrets are not in its environment."""
    monkeypatch.setenv("WEBHOOK_SECRET", SECRET)
    found = await _found("opencode", opencode_cli_path=_program(tmp_path, "env | tr '\\n' ' '"))
    assert "PATH=" in found.text
    assert SECRET not in found.text


async def test_missing_program_says_how_to_get_it(tmp_path: Path) -> None:
    """Nothing is started; the finding names what was looked for, how to install it and the setting."""
    found = await _found("gemini", gemini_cli_path=str(tmp_path / "none"))
    assert (found.ok, found.text) == (False, f"{tmp_path / 'none'} is not on the PATH")
    assert "npm install" in found.mend
    assert "WIREROOM_GEMINI_CLI_PATH" in found.mend


async def test_demo_agent_makes_a_run() -> None:
    """It comes with Wireroom and works."""
    assert await _found("demo") == Finding("Demo agent", True, "made a run of its own")


async def test_protocol_agent_is_greeted(tmp_path: Path) -> None:
    """One that answers is fine; one that ends, or has no command line, is not."""
    agent = ScriptedAcpAgent(tmp_path / "agent")
    assert (await _found("acp", acp_command=agent.command)).ok
    assert [message["method"] for message in agent.received()] == ["initialize"]
    ended = await _found("acp", acp_command="true")
    assert (ended.ok, "ended without an answer" in ended.text) == (False, True)
    unset = await _found("acp")
    assert (unset.ok, unset.text) == (False, "WIREROOM_ACP_COMMAND is not set")


@asynccontextmanager
async def _runner(status: int) -> AsyncIterator[str]:
    async def health(request: web.Request) -> web.Response:
        assert "X-Webhook-Secret" not in request.headers
        return web.json_response({}, status=status)

    app = web.Application()
    app.router.add_get("/health", health)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "fine", "said"), [(200, True, "is healthy"), (503, False, "answers 503 on /health")]
)
async def test_runner_is_asked_for_its_health(status: int, fine: bool, said: str) -> None:
    """It is sent no secret, and what its address may hide is not shown."""
    async with _runner(status) as place:
        found = await _found("remote", cursor_runner_url=f"http://user:{SECRET}@{place}")
    assert (found.ok, found.text) == (fine, f"http://…@{place} {said}")


async def test_runner_that_is_gone_is_a_finding() -> None:
    """Nobody listens: said in a sentence, with what to do."""
    found = await _found("remote", cursor_runner_url="http://127.0.0.1:1")
    assert (found.ok, "cannot be reached" in found.text, bool(found.mend)) == (False, True, True)


async def test_unknown_name_is_not_found() -> None:
    """The message lists those that there are."""
    with pytest.raises(NotFound, match=r"claude, cursor, codex, gemini, opencode, demo, acp, remote"):
        await _found("claud")


def test_list_has_every_back_end_and_one_default(tmp_path: Path) -> None:
    """Those that are there say where, those that are not say what to do."""
    program = _program(tmp_path, "true")
    found = {
        one.name: one
        for one in list_back_ends(Settings(claude_cli_path=program, acp_command="none --key x"), {}, "demo")
    }
    assert (found["claude"].is_ready, found["claude"].found) == (True, program)
    assert [one.name for one in found.values() if one.is_default] == ["demo"]
    assert (found["acp"].is_ready, found["acp"].found) == (False, "none")
    assert all(bool(one.mend) is not one.is_ready for one in found.values())
