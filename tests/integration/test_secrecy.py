"""Nothing secret or personal reaches the logs, and no secret is compared with `==`."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
import runner_secrecy_session

import wireroom

SESSION = Path(__file__).parent / "secrecy_session.py"
SOURCES = sorted(Path(wireroom.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("level", ["info", "debug"])
@pytest.mark.parametrize("style", ["terminal", "json"])
async def test_logs_show_no_secret_and_no_message(database_path: Path, level: str, style: str) -> None:
    """A session with successes, refusals and faults of every room logs no token, secret, code or message."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SESSION), level, style, str(database_path.parent)), stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    logged = err.decode()

    assert process.returncode == 0, logged
    for event in ("run_ended", "webhook_unauthorized", "update_not_stored", "update_given_up"):
        assert event in logged
    for what, secret in json.loads(out).items():
        assert secret not in logged, f"the {what} was logged"


@pytest.fixture(scope="module")
def runners_day(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a day of the runner has shown, and its log down to the lowest level."""
    folder = tmp_path_factory.mktemp("day")
    shutil.copyfile(migrated_file, folder / "wireroom.sqlite3")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **runner_secrecy_session.SECRETS,
        **runner_secrecy_session.install(folder),
    }
    done = subprocess.run(
        [sys.executable, runner_secrecy_session.__file__, "debug", "terminal", str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "log": done.stderr}


@pytest.mark.parametrize("shown", ["log", "answers"])
def test_runner_shows_no_secret(runners_day: dict[str, Any], shown: str) -> None:
    """Callbacks, clones, remote runners and tools leave no secret in the log or in an answer."""
    told = runners_day[shown]
    assert told
    assert [name for name, secret in runner_secrecy_session.secrets().items() if secret in told] == []


def test_runner_was_through_all_of_it(runners_day: dict[str, Any]) -> None:
    """The day had the runs, refusals and failures that could have told a secret."""
    for sign in ("callback_delayed", "callback_given_up", "run_ended"):
        assert sign in runners_day["log"]
    for sign in ("git clone failed", "The MCP server bad is left out", "Unauthorized", "[hidden]"):
        assert sign in runners_day["answers"]
    assert runners_day["arguments"].count("mcp_servers=") == 1


def test_agents_see_only_what_is_theirs(runners_day: dict[str, Any]) -> None:
    """No secret of ours is in a child's environment; Codex alone gets its tools' own that way."""
    seen = runners_day["environment"]
    secrets = runner_secrecy_session.secrets().items()
    assert {name for name, secret in secrets if secret in seen} == {"MCP_VARIABLE", "MCP_HEADER"}


def test_command_lines_hold_no_secret_but_codex_its_servers_arguments(runners_day: dict[str, Any]) -> None:
    """What `ps` shows of agents: Codex takes arguments of its servers there alone, so only those."""
    seen = runners_day["arguments"]
    secrets = runner_secrecy_session.secrets().items()
    assert {name for name, secret in secrets if secret in seen} == {"MCP_ARGUMENT"}
    assert seen.count(runner_secrecy_session.SECRETS["MCP_ARGUMENT"]) == seen.count("mcp_servers=")


def test_database_keeps_no_secret_but_those_of_callbacks_not_yet_delivered(
    runners_day: dict[str, Any],
) -> None:
    """In all tables: that of a receiver that is down, and that of a dead letter, which may be sent again."""
    assert runners_day["cells"] == {
        "waiting callback": ["callbacks.secret"],
        "barred callback": ["callbacks.secret"],
    }


def test_secrets_are_never_compared_plainly() -> None:
    """No `==` or `!=` stands beside a secret, a token or a code in the whole package.

    Codes that programs exit with or answer are no secrets, nor is a guess compared where both are our own.
    """
    plain = re.compile(
        r"\w*(secret|token|password)\w*\b(\(\))?\s*[!=]=|[!=]=\s*\w*(secret|token)"
        r"|\bcode\b(\(\))?\s*[!=]=(?!\s*(?:0|rpc\.))"
    )
    ours = ("self._secret == self._abroad.secret",)
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in SOURCES
        if "testing" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if plain.search(line) and "digest" not in line and not any(one in line for one in ours)
    ]

    assert found == []


def test_comparison_takes_constant_time() -> None:
    """The one comparison of secrets is the library's, made for that."""
    users = [path.name for path in SOURCES if "compare_digest" in path.read_text()]

    assert users == ["access.py"]
