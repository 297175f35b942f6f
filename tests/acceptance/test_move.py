"""A move to PostgreSQL and back, with the copier killed again and again, while people and programs go on.

`WIREROOM_TEST_MOVE_MB` and `WIREROOM_TEST_MOVE_KILLS` set the size; the full one is 1024 and 10.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import sqlite3
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from contextlib import closing
from pathlib import Path

import psycopg
import pysqlite3
import pytest
from chats import Asked, all_answered, ask, assert_each_once
from evidence import show
from installation import Installation, installed

from wireroom.store.migrate import ensure_schema
from wireroom.testing import BotAPIServer
from wireroom.testing.eventually import eventually
from wireroom.testing.postgres_server import PostgresServer

MEGABYTES = int(os.environ.get("WIREROOM_TEST_MOVE_MB", "6"))
KILLS = int(os.environ.get("WIREROOM_TEST_MOVE_KILLS", "2"))
SEED = int(os.environ.get("WIREROOM_TEST_SEED", "1"))
MESSAGE = "Ein längerer Text, wie ihn Leute schreiben — 漢字, 🙂, \\u0000 and 'quotes'. " * 8
A_MEGABYTE_OF_THEM = 850_000 // len(MESSAGE.encode())
LONGEST_SECONDS = 60 + MEGABYTES * 0.6


def fill(path: Path) -> None:
    """Put conversations of the past into a database until it is large."""
    ensure_schema(f"sqlite:///{path}")
    with closing(pysqlite3.connect(path)) as raw:
        raw.execute("PRAGMA synchronous=OFF")
        for number in range(MEGABYTES):
            name = f"old-{number:x}"
            raw.execute(
                "INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)"
                " VALUES (?, 'web', ?, 1, '/', 1, 1)",
                (name, f"web:{name}"),
            )
            raw.executemany(
                "INSERT INTO messages VALUES (?, ?, 'user', ?, NULL, ?)",
                ((name, seq, f"{seq} {MESSAGE}", seq) for seq in range(1, A_MEGABYTE_OF_THEM)),
            )
            raw.commit()


async def begin_copy(service: Installation, source: str, target: str) -> Process:
    """Start `wireroom db copy` as a person would."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from wireroom.cli.main import main; main()", "db", "copy", source, target),
        env={**service.environment, "COLUMNS": "200"},
        stdout=PIPE,
        stderr=STDOUT,
    )


async def end_of(copying: Process) -> str:
    """Return what the copier has printed once it has ended well."""
    async with asyncio.timeout(LONGEST_SECONDS):
        printed = (await copying.communicate())[0].decode()
    assert copying.returncode == 0, printed
    return printed


async def kill_copies(service: Installation, source: str, target: str, draw: random.Random) -> None:
    """Begin to copy and kill -9, at random moments; each time a program adds a task by plain SQL."""
    for number in range(KILLS):
        copying = await begin_copy(service, source, target)
        await it_says(copying, "Copying")
        await asyncio.sleep(draw.uniform(0, 0.3 + MEGABYTES / 60))
        add_task(source, f"added meanwhile {number}")
        await kill(copying)


async def kill(copying: Process) -> None:
    """Kill -9 a copier that works."""
    copying.send_signal(signal.SIGKILL)
    await copying.communicate()
    assert copying.returncode == -signal.SIGKILL


async def it_says(copying: Process, words: str) -> None:
    """Return once the copier has printed a line with these words."""
    assert copying.stdout is not None
    async with asyncio.timeout(LONGEST_SECONDS):
        while line := (await copying.stdout.readline()).decode():
            if words in line:
                return
    raise AssertionError(f"it ended without saying {words!r}")


def add_task(source: str, prompt: str) -> None:
    """Add a task for later as another program does: the system's own SQLite, plain SQL."""
    with closing(sqlite3.connect(source.removeprefix("sqlite:///"), timeout=20)) as raw, raw:
        raw.execute("INSERT INTO tasks (prompt, status) VALUES (?, 3)", (prompt,))


def checksums(printed: str) -> dict[str, tuple[str, ...]]:
    """Return rows and checksum of each table that a copy has printed, both sides being equal."""
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\w{16}) +(\w{16}) +equal", printed, re.MULTILINE)
    assert rows, printed
    assert all(row[1] == row[2] and row[3] == row[4] for row in rows)
    assert "DIFFERS" not in printed
    return {row[0]: (row[1], row[3]) for row in rows}


def tasks_back(path: Path) -> list[tuple[object, ...]]:
    """Return the tasks that a SQLite file has, whatever the order of its columns."""
    with closing(sqlite3.connect(path)) as raw:
        columns = 'id, prompt, status, createdat, updatedat, uuid, "order"'
        return raw.execute(f"SELECT {columns} FROM tasks ORDER BY id").fetchall()


def prompts_there(url: str) -> list[str]:
    """Return the tasks that PostgreSQL has."""
    with psycopg.connect(url) as raw:
        return [prompt for (prompt,) in raw.execute("SELECT prompt FROM tasks ORDER BY id")]


async def work_left_behind(service: Installation, telegram: BotAPIServer) -> list[Asked]:
    """Ask more than is answered at once, and let the service die over it."""
    chats = [telegram.private_chat(telegram.user(number, f"P{number}")) for number in range(1, 6)]
    asked = [
        await ask(telegram, chat, f"token-{chat.id}-{turn}", "sleep 0.6") for chat in chats for turn in (1, 2)
    ]
    await eventually(service.agents, "an agent works", 10)
    await service.kill()
    return asked


def tell(old: Path, printed: str, took_seconds: float) -> None:
    """Print the figures."""
    stopped = re.search(r"for ([\d.]+) s", printed)
    assert stopped
    show(f"{old.stat().st_size / 1e6:.0f} MB, {KILLS + 1} kills -9, each went on; nothing lost or doubled")
    show(f"the last go took {took_seconds:.1f} s, and for {stopped[1]} s of it nobody could write")
    show("\n".join(line for line in printed.splitlines() if line.endswith("equal")))


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(2 * LONGEST_SECONDS + 120)
async def test_move_survives_kills_and_loses_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    """Everything is on the other side with equal checksums, what was pending is answered once, and back."""
    draw = random.Random(SEED)  # noqa: S311 - moments of death, not secrets
    old, new = tmp_path / "data" / "wireroom.sqlite3", tmp_path / "back" / "wireroom.sqlite3"
    old.parent.mkdir(mode=0o700)
    fill(old)
    source = f"sqlite:///{old}"
    async with (
        BotAPIServer() as telegram,
        installed(tmp_path, telegram, cluster=False, migrated=False, WIREROOM_DATABASE_URL=source) as service,
    ):
        with postgres.database(migrated=False) as target:
            await service.start(forked=True)
            await kill_copies(service, source, target, draw)
            copying = await begin_copy(service, source, target)
            asked = await work_left_behind(service, telegram)
            await it_says(copying, "Nobody can write")
            await kill(copying)
            began = time.monotonic()
            printed = await end_of(await begin_copy(service, source, target))
            tell(old, printed, time.monotonic() - began)
            with pytest.raises(sqlite3.IntegrityError, match="has moved to postgresql"):
                add_task(source, "too late")
            assert prompts_there(target) == [f"added meanwhile {number}" for number in range(KILLS)]

            service.environment["WIREROOM_DATABASE_URL"] = target
            await service.start(forked=True)
            await all_answered(telegram, asked, 60)
            assert_each_once(telegram, asked)
            assert await service.stop() == 0

            back = await end_of(await begin_copy(service, target, f"sqlite:///{new}"))
            # Not their checksums: those of a table depend on how its rows fell into ranges.
            assert checksums(back)["tasks"][0] == checksums(printed)["tasks"][0]
            assert tasks_back(new) == tasks_back(old)
        service.environment["WIREROOM_DATABASE_URL"] = f"sqlite:///{new}"
        await service.start(forked=True)
        last = await ask(telegram, telegram.private_chat(telegram.user(9, "P9")), "token-last")
        await all_answered(telegram, [last], 20)
        assert_each_once(telegram, [*asked, last])
        assert (await service.command("db", "check")).out == "All is well.\n"
