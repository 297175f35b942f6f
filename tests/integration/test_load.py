"""A measurement of three seconds, from the command to its report."""

from __future__ import annotations

import json
import os
import sys
from asyncio import create_subprocess_exec, timeout
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path
from typing import Any

import pytest

_LIMIT_SECONDS = 280
"""Seven seconds of work for two cores, on a machine that has other things to do."""


def _report(page: Path) -> tuple[dict[str, Any], str]:
    """Return the JSON and the page."""
    return json.loads(page.with_suffix(".json").read_text()), page.read_text()


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.timeout(300)
async def test_load_measures_a_service_of_its_own(tmp_path: Path) -> None:
    """Everybody acts, nothing is lost or doubled, and the page and its JSON say so."""
    page = tmp_path / "load.html"
    process = await create_subprocess_exec(
        *(sys.executable, "-c", "from wireroom.cli.main import main; main()", "load"),
        *("--pattern", "steady", "--seconds", "3", "--users", "23", "--pace", "4"),
        *("--agent-seconds", "0.05", "--report", str(page)),
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with timeout(_LIMIT_SECONDS):
        printed = (await process.communicate())[0].decode()

    assert process.returncode == 0, printed
    report, drawn = _report(page)
    accounts = {account["what"]: account for account in report["accounts"]}
    assert set(accounts) == {"chat messages", "callbacks", "tasks"}, printed
    assert accounts["chat messages"]["acknowledged"] > 0, printed
    assert report["clean"], printed
    assert report["left_out"] == []
    made = {row["name"] for row in report["requests"]}
    assert {"POST /telegram/webhook", "GET /health", "OPEN /api/chat/stream"} <= made
    assert report["resources"]["memory of the service (RSS)"]
    assert "<svg" in drawn
    assert _names(tmp_path) == ["load.html", "load.json"]
