"""What `doctor.look` does about parts that do not answer, or cannot be looked at."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from pydantic import SecretStr

from wireroom.doctor.findings import Finding, Verdict
from wireroom.doctor.look import look_around
from wireroom.settings import Settings


async def _found(settings: Settings, seconds: float = 20.0) -> dict[str, Finding]:
    return {finding.subject: finding for finding in await look_around(settings, os.environ, seconds)}


async def test_part_that_never_answers_is_a_finding(tmp_path: Path) -> None:
    """Telegram's server takes the call and is silent: the look ends, says so, and tells the rest."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(take, "127.0.0.1", 0)
    host, port = silent.sockets[0].getsockname()
    settings = Settings(
        data_dir=tmp_path,
        backend="demo",
        bot_token=SecretStr("1:x"),
        telegram_api_url=f"http://{host}:{port}",
    )
    async with silent:
        found = await _found(settings, 1.0)
    assert found["Telegram"].verdict is Verdict.PROBLEM
    assert found["Telegram"].sentence.startswith("gave no answer within 1 s; ")
    assert found["Address"].verdict is Verdict.FINE


async def test_everything_is_looked_at_in_order(tmp_path: Path) -> None:
    """A good installation has a finding for each part, and none of them is a problem."""
    found = await _found(Settings(data_dir=tmp_path, backend="demo"))
    assert list(found) == [
        "SQLite",
        "Data folder",
        "Database",
        "Redis",
        "Coding agent",
        "Telegram",
        "Hearing",
        "Speaking",
        "Address",
    ]
    assert [finding.subject for finding in found.values() if not finding.ok] == []


async def test_folder_that_is_a_file_says_what_to_do(tmp_path: Path) -> None:
    """What cannot be made is fatal, and the finding names the setting."""
    (tmp_path / "file").write_text("")
    folder = (await _found(Settings(data_dir=tmp_path / "file" / "data", backend="demo")))["Data folder"]
    assert (folder.verdict, "WIREROOM_DATA_DIR" in folder.mend) == (Verdict.FATAL, True)
