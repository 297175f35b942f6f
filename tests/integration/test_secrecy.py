"""Nothing secret or personal reaches the logs, and no secret is compared with `==`."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

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


def test_secrets_are_never_compared_plainly() -> None:
    """No `==` or `!=` stands beside a secret, a token or a code in the whole package."""
    plain = re.compile(r"(\w*(secret|token|password)\w*|\bcode)\b(\(\))?\s*[!=]=|[!=]=\s*\w*(secret|token)")
    found = [
        f"{path.name}:{number}: {line.strip()}"
        for path in SOURCES
        if "testing" not in path.parts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if plain.search(line) and "digest" not in line
    ]

    assert found == []


def test_comparison_takes_constant_time() -> None:
    """The one comparison of secrets is the library's, made for that."""
    users = [path.name for path in SOURCES if "compare_digest" in path.read_text()]

    assert users == ["access.py"]
