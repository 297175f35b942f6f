"""MCP servers are really started, greeted and ended; those that fail are left out and named."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wireroom.errors import BadInput, SettingsError
from wireroom.settings import Settings
from wireroom.testing.clock import ManualClock
from wireroom.testing.leaks import LeakCheck
from wireroom.workspaces.mcp import McpServers, Tools
from wireroom.workspaces.private_dir import private_dir, remove_leftovers

PREAMBLE = """
import json, os, subprocess, sys, time
with open("starts", "a") as file:
    print(os.getpid(), file=file)
def answer(**fields):
    print(json.dumps({"jsonrpc": "2.0", "id": 1, **fields}), flush=True)
"""
GREETS = """
request = json.loads(sys.stdin.readline())
assert (request["method"], request["id"]) == ("initialize", 1)
print("a banner")
print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}}))
answer(result={"protocolVersion": request["params"]["protocolVersion"], "capabilities": {}})
"""
STAYS = """
subprocess.Popen(["sleep", "60"])
subprocess.Popen(["sleep", "60"], start_new_session=True)
time.sleep(60)
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "SECRET_KEY": "s3cret-value", "WEBHOOK_SECRET": "ours"}

Servers = Callable[..., McpServers]


@pytest.fixture
def clock() -> ManualClock:
    """Return a clock that stands still."""
    return ManualClock()


@pytest.fixture
def servers(tmp_path: Path, clock: ManualClock) -> Servers:
    """Return a function that installs servers by their scripts, or entries, all of them for every run."""

    def install(seconds: float = 20, always: tuple[str, ...] | None = None, **given: Any) -> McpServers:
        entries = {}
        for name, what in given.items():
            script = tmp_path / f"{name}.py"
            script.write_text(PREAMBLE + what if isinstance(what, str) else "")
            entry = {
                "command": sys.executable,
                "args": ["-I", "-S", str(script)],
                "env": {"KEY": "${SECRET_KEY}"},
            }
            entries[name] = entry if isinstance(what, str) else what
        file = tmp_path / "mcp.json"
        file.write_text(json.dumps({"mcpServers": entries}))
        settings = Settings(
            data_dir=tmp_path,
            mcp_config=file,
            mcp_servers=tuple(given) if always is None else always,
            mcp_probe_seconds=seconds,
        )
        return McpServers(settings, ENVIRONMENT, clock)

    return install


def starts(folder: Path) -> int:
    """Return how many servers were started in the folder."""
    file = folder / "starts"
    return len(file.read_text().splitlines()) if file.exists() else 0


async def test_server_that_answers_is_given_and_ended(servers: Servers, tmp_path: Path) -> None:
    """The probe leaves no process of the server's, not even one that left its session."""
    leaks = LeakCheck(f"program-{os.getpid()}-")
    tools = await servers(good=GREETS + STAYS).for_run(tmp_path)
    assert ([server.name for server in tools.servers], tools.notices) == (["good"], ())
    assert tools.servers[0].env == {"KEY": "s3cret-value"}
    await leaks.assert_none()


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("sys.exit('broken: ' + os.environ['KEY'])", "it ended without an answer (broken: [hidden])"),
        ("answer(error={'code': 1, 'message': 'no'})", "it refused to start: {'code': 1, 'message': 'no'}"),
        ("print('not json'); answer(id=2, result={})", "it ended without an answer"),
        ("print('[' * 100000)", "it ended without an answer"),
        ("os.write(1, b'x' * 3000000)", "it ended without an answer"),
        ("os.write(2, b'hm\\n'); os.closerange(1, 3); time.sleep(60)", "it ended without an answer (hm)"),
    ],
    ids=["dies", "refuses", "other answers", "nested", "floods", "falls silent"],
)  # fmt: skip
async def test_server_that_fails_is_left_out_and_named(
    servers: Servers, tmp_path: Path, script: str, reason: str
) -> None:
    """The run goes on with the others; the notice has the server's last words, without its secrets."""
    tools = await servers(bad=script, good=GREETS).for_run(tmp_path)
    assert [server.name for server in tools.servers] == ["good"]
    assert tools.notices == (f"The MCP server bad is left out: {reason}.",)


async def test_server_that_says_nothing_is_given_up_in_time(servers: Servers, tmp_path: Path) -> None:
    """A hanging server costs no more than the limit, and is ended with all that it started."""
    leaks = LeakCheck(f"program-{os.getpid()}-")
    tools = await servers(seconds=0.5, slow="print('starting', file=sys.stderr, flush=True)" + STAYS).for_run(
        tmp_path
    )
    assert tools == Tools(
        (), ("The MCP server slow is left out: it did not answer within 0.5 s (starting).",)
    )
    await leaks.assert_none()


async def test_missing_program_is_told(servers: Servers, tmp_path: Path) -> None:
    """A server that is not installed is a notice, not a failed run."""
    tools = await servers(gone={"command": "no-such-program"}).for_run(tmp_path)
    assert tools.servers == ()
    assert "no-such-program cannot be started" in tools.notices[0]


async def test_server_sees_an_allow_list_of_our_environment(servers: Servers, tmp_path: Path) -> None:
    """Our own secrets are not in a server's environment."""
    script = "sys.exit(' '.join(sorted(set(os.environ) & {'PATH', 'KEY', 'WEBHOOK_SECRET', 'SECRET_KEY'})))"
    tools = await servers(nosy=script).for_run(tmp_path)
    assert tools.notices == ("The MCP server nosy is left out: it ended without an answer (KEY PATH).",)


async def test_server_with_an_address_is_given_untried(servers: Servers, tmp_path: Path) -> None:
    """What listens elsewhere is the agent's to reach."""
    tools = await servers(docs={"url": "https://host/${SECRET_KEY}"}).for_run(tmp_path)
    assert [server.url for server in tools.servers] == ["https://host/s3cret-value"]


async def test_answer_is_remembered_for_some_minutes(
    servers: Servers, tmp_path: Path, clock: ManualClock
) -> None:
    """A good server is not tried again at once, and a bad one sooner than a good one."""
    ours = servers(good=GREETS, bad="")
    for minutes, count in ((0, 2), (0, 2), (2, 3), (9, 5)):
        clock.advance(60.0 * minutes)
        tools = await ours.for_run(tmp_path)
        assert ([server.name for server in tools.servers], starts(tmp_path)) == (["good"], count)


async def test_run_may_ask_for_further_servers(servers: Servers, tmp_path: Path) -> None:
    """The settings' servers and the run's; unknown ones are refused; none at all read no file."""
    ours = servers(a=GREETS, b=GREETS, always=())
    assert await ours.for_run(tmp_path) == Tools()
    assert [server.name for server in (await ours.for_run(tmp_path, ["b"])).servers] == ["b"]
    with pytest.raises(BadInput, match="Known: a, b"):
        await ours.for_run(tmp_path, ["c"])


async def test_missing_variable_stops_the_run(servers: Servers, tmp_path: Path) -> None:
    """A server without its secret would only seem to work."""
    with pytest.raises(BadInput, match="needs the variable NOT_SET"):
        await servers(db={"command": "x", "env": {"A": "${NOT_SET}"}}).for_run(tmp_path)


async def test_missing_file_is_told(tmp_path: Path, clock: ManualClock) -> None:
    """The message names the variable and the file."""
    settings = Settings(data_dir=tmp_path, mcp_config=tmp_path / "none.json", mcp_servers=("a",))
    with pytest.raises(SettingsError, match=r"WIREROOM_MCP_CONFIG: .*none\.json"):
        await McpServers(settings, {}, clock).for_run(tmp_path)


async def test_private_folder_is_ours_alone_and_gone_afterwards(tmp_path: Path) -> None:
    """Only this user may enter it; it is empty at the beginning and gone at the end, whatever happened."""
    (tmp_path / "private" / "run-1.2").mkdir(parents=True)
    (tmp_path / "private" / "run-1.2" / "stale").touch()

    async def fail() -> None:
        async with private_dir(tmp_path, "run-1", 2) as folder:
            assert (mode_of(folder), list_of(folder)) == (0o700, [])
            (folder / "secret").write_text("s")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert list_of(tmp_path / "private") == []


@pytest.mark.parametrize("turns", range(4))
async def test_private_folder_is_gone_when_its_making_is_cut_short(tmp_path: Path, turns: int) -> None:
    """Cancelled at any moment of the way, a run leaves no folder that a thread makes afterwards."""

    async def work() -> None:
        async with private_dir(tmp_path, "run-1", 1):
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    # Whatever a thread was asked to do is done once the last of them has answered.
    await asyncio.get_running_loop().shutdown_default_executor()
    assert not (tmp_path / "private").exists() or list_of(tmp_path / "private") == []


def mode_of(folder: Path) -> int:
    """Return the folder's permissions."""
    return stat.S_IMODE(folder.stat().st_mode)


def list_of(folder: Path) -> list[str]:
    """Return the names in the folder."""
    return [entry.name for entry in folder.iterdir()]


def test_private_folders_of_a_crash_are_removed(tmp_path: Path) -> None:
    """The start removes what nobody will come back for."""
    for name in ("run-1.1", "run-2.7"):
        (tmp_path / "private" / name / "deep").mkdir(parents=True)
    assert remove_leftovers(tmp_path) == 2
    assert list_of(tmp_path / "private") == []
    assert remove_leftovers(tmp_path / "elsewhere") == 0


@pytest.mark.parametrize("run_id", ["", "..", "../x", "a/b", ".x", "a\0"])
async def test_private_folder_stays_in_its_place(tmp_path: Path, run_id: str) -> None:
    """An id that would lead elsewhere is refused."""
    with pytest.raises(BadInput):
        async with private_dir(tmp_path, run_id, 1):
            pass
