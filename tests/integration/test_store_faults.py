"""What the SQLite database does when the disk, the file or another program misbehaves."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pysqlite3
import pytest
from sqlalchemy import Connection, insert, select

from running_service import running_service
from wireroom.errors import StoreBusy, StoreDamaged, StoreFull, StoreLost, StoreReadOnly, StoreUnavailable
from wireroom.store.database import after_commit, driver
from wireroom.store.owner import OwnerLock
from wireroom.store.patience import write_patiently
from wireroom.store.schema import audit
from wireroom.store.sqlite import SqliteDatabase, connect
from wireroom.testing.eventually import eventually

_WRITER = Path(__file__).with_name("store_writer_child.py")


def _note(conn: Connection, subject: str) -> None:
    conn.execute(insert(audit).values(created_at=1, who="test", action="note", subject=subject))


async def _subjects(db: SqliteDatabase) -> list[str]:
    return await db.read(lambda conn: list(conn.scalars(select(audit.c.subject).order_by(audit.c.id))))


async def _set_page_limit(db: SqliteDatabase, pages: int) -> None:
    """Let the file grow by `pages` more pages only, as on a full disk; 0 gives the space back."""

    def unit(conn: Connection) -> None:
        raw = driver(conn)
        used = raw.execute("PRAGMA page_count").fetchone()[0]
        raw.execute(f"PRAGMA max_page_count={used + pages if pages else 1_000_000}")

    await db.write(unit)


async def test_full_disk_stores_nothing_and_recovers_when_there_is_space(database: SqliteDatabase) -> None:
    """On a full disk a write fails with StoreFull and leaves nothing; with space back it succeeds."""
    await _set_page_limit(database, 2)
    with pytest.raises(StoreFull, match="full"):
        await database.write(lambda conn: _note(conn, "x" * 100_000))
    assert await _subjects(database) == []
    await _set_page_limit(database, 0)
    await database.write(lambda conn: _note(conn, "y" * 100_000))
    assert await _subjects(database) == ["y" * 100_000]


async def test_full_disk_acknowledges_only_what_is_stored(database: SqliteDatabase) -> None:
    """Of many writes that meet a full disk together, exactly the acknowledged ones are there."""
    await _set_page_limit(database, 40)
    called: list[str] = []

    def unit(conn: Connection, number: int) -> str:
        subject = f"{number:03}" + "x" * 4_000
        _note(conn, subject)
        after_commit(conn, lambda: called.append(subject))
        return subject

    answers = await asyncio.gather(
        *(database.write(partial(unit, number=number)) for number in range(100)),
        return_exceptions=True,
    )
    kept = sorted(answer for answer in answers if isinstance(answer, str))
    refused = [answer for answer in answers if not isinstance(answer, str)]
    assert refused
    assert all(isinstance(answer, StoreFull) for answer in refused)
    assert sorted(await _subjects(database)) == kept == sorted(called)


async def test_file_size_limit_of_the_process_is_a_full_disk_too(database_path: Path) -> None:
    """When the system itself refuses to extend the log, nothing is stored and the caller is told."""
    script = f"""
import asyncio, resource, signal, sys
from pathlib import Path
from sqlalchemy import insert
from wireroom.errors import StoreFull
from wireroom.store.schema import audit
from wireroom.store.sqlite import SqliteDatabase, connect

def note(conn, size):
    conn.execute(insert(audit).values(created_at=1, who="t", action="n", subject="x" * size))

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    db = SqliteDatabase(Path({str(database_path)!r}))
    await db.write(lambda conn: note(conn, 10))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, hard))
    try:
        await db.write(lambda conn: note(conn, 2_000_000))
    except StoreFull:
        print("refused")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await db.write(lambda conn: note(conn, 2_000_000))
    await db.close()
    print("stored")

asyncio.run(main())
"""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == ["refused", "stored"], done.stderr
    db = SqliteDatabase(database_path)
    assert [len(subject) for subject in await _subjects(db)] == [10, 2_000_000]
    await db.close()


async def test_read_only_file_refuses_writes_and_still_reads(database: SqliteDatabase) -> None:
    """A database that may not be written says so, names the file, and goes on reading and, later, writing."""
    await database.write(lambda conn: _note(conn, "before"))

    def refused(conn: Connection) -> None:
        driver(conn).execute("PRAGMA query_only=ON")
        try:
            _note(conn, "refused")
        finally:
            driver(conn).execute("PRAGMA query_only=OFF")

    with pytest.raises(StoreReadOnly, match=r"wireroom\.sqlite3"):
        await database.write(refused)
    assert await _subjects(database) == ["before"]
    await database.write(lambda conn: _note(conn, "after"))
    assert await _subjects(database) == ["before", "after"]


def test_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    """Opening a file in a missing folder is a StoreReadOnly that names the path and the remedy."""
    with pytest.raises(StoreReadOnly, match="folder"):
        SqliteDatabase(tmp_path / "missing" / "w.sqlite3")


def test_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    """A file of another kind is a StoreDamaged, and not a byte of it is changed."""
    path = tmp_path / "letter.txt"
    content = b"Dear reader, " * 1_000
    path.write_bytes(content)
    with pytest.raises(StoreDamaged, match="not a SQLite database"):
        SqliteDatabase(path)
    assert path.read_bytes() == content


async def test_damaged_pages_are_reported_as_damage(database_path: Path) -> None:
    """Broken pages surface as StoreDamaged, on reading and on writing, not as a wrong answer."""
    healthy_bytes = _size(database_path)
    db = SqliteDatabase(database_path)
    for _ in range(40):
        await db.write(lambda conn: _note(conn, "x" * 3_000))
    await db.close()
    _scribble(database_path, healthy_bytes)
    damaged = SqliteDatabase(database_path)
    with pytest.raises(StoreDamaged, match="damaged"):
        await _subjects(damaged)
    with pytest.raises(StoreDamaged, match="damaged"):
        await damaged.write(lambda conn: conn.execute(audit.delete().where(audit.c.who != "")))
    await damaged.close()


def _size(path: Path) -> int:
    return path.stat().st_size


def _scribble(path: Path, start: int) -> None:
    """Overwrite the file from `start` on."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xa5" * (_size(path) - start))


@pytest.fixture
async def lock_holder(database_path: Path) -> AsyncIterator[Any]:
    """Lend another program's connection that holds the write lock."""
    raw = pysqlite3.connect(str(database_path), isolation_level=None)
    raw.execute("PRAGMA journal_mode=WAL")
    raw.execute("BEGIN IMMEDIATE")
    yield raw
    raw.close()


async def test_lock_held_by_another_program_is_waited_for(database: SqliteDatabase, lock_holder: Any) -> None:
    """A write waits for another program's transaction and succeeds after it."""
    write = asyncio.create_task(database.write(lambda conn: _note(conn, "patient")))
    done, _ = await asyncio.wait([write], timeout=0.2)
    assert not done
    lock_holder.execute("ROLLBACK")
    await write
    assert await _subjects(database) == ["patient"]


async def test_lock_held_too_long_is_busy_and_then_writes_go_on(
    database: SqliteDatabase, lock_holder: Any
) -> None:
    """A lock held for longer than the bound is StoreBusy; nothing is stored, and later writes succeed."""
    with pytest.raises(StoreBusy, match="Another program"):
        await database.write(lambda conn: _note(conn, "refused"))
    lock_holder.execute("ROLLBACK")
    await database.write(lambda conn: _note(conn, "later"))
    assert await _subjects(database) == ["later"]


async def test_read_of_another_program_does_not_slow_writes_down(
    database: SqliteDatabase, database_path: Path
) -> None:
    """While another program holds a long read open, a large log stays, and no write waits for it."""
    raw = pysqlite3.connect(str(database_path), isolation_level=None)
    raw.execute("BEGIN")
    raw.execute("SELECT count(*) FROM audit").fetchone()
    await database.write(lambda conn: _note(conn, "x" * 2_000_000))
    loop = asyncio.get_running_loop()
    slowest = 0.0
    for number in range(4):
        await asyncio.sleep(0.3)  # longer than the writer's pause, so that it finds itself idle and looks
        began = loop.time()
        await database.write(partial(_note, subject=f"{number}"))
        slowest = max(slowest, loop.time() - began)
    raw.close()
    assert slowest < 1


async def test_log_is_used_again_after_a_checkpoint(database: SqliteDatabase, database_path: Path) -> None:
    """Copied into the file when nothing waits, the log does not grow from one burst to the next."""
    log_file = database_path.with_name(database_path.name + "-wal")
    await database.write(lambda conn: _note(conn, "x" * 2_000_000))
    size = _size(log_file)

    async def copied() -> bool:
        return _size(database_path) > 2_000_000

    for _ in range(3):
        await eventually(copied, "the log is copied")
        await database.write(lambda conn: _note(conn, "y" * 1_000_000))
        await asyncio.sleep(0.3)  # longer than the writer's pause
    assert _size(log_file) <= size


async def test_writer_that_dies_leaves_nobody_waiting(database: SqliteDatabase) -> None:
    """When an error of our own ends the writer, the callers of its batch and all later ones are told."""
    units = [database.write(partial(_note, subject="neighbour")), database.write(lambda conn: conn.close())]
    async with asyncio.timeout(5):
        told = await asyncio.gather(*units, return_exceptions=True)
        assert all(isinstance(one, StoreUnavailable) for one in told)
        with pytest.raises(StoreLost, match="restart the service"):
            await database.write(partial(_note, subject="later"))
        with pytest.raises(StoreLost):
            await write_patiently(database, partial(_note, subject="patient"), what="a note")


async def test_service_whose_writer_died_ends(database_path: Path) -> None:
    """A process that can store nothing any more does not stay to refuse; its supervisor restarts it."""
    async with running_service(database_path.parent) as service:
        with pytest.raises(StoreUnavailable):
            await service.services.db.write(lambda conn: conn.close())
        async with asyncio.timeout(10):
            await service.stopped.wait()


def test_new_database_is_for_its_owner_only(tmp_path: Path) -> None:
    """Whoever else is on the machine cannot read the conversations, neither in the file nor in its log."""
    path = tmp_path / "new.sqlite3"
    raw = connect(path)
    raw.execute("CREATE TABLE notes (text)")
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    raw.close()
    assert modes == dict.fromkeys(("new.sqlite3", "new.sqlite3-wal", "new.sqlite3-shm"), 0o600)


async def test_too_many_waiting_writes_are_refused(database_path: Path, lock_holder: Any) -> None:
    """The queue of waiting writes is bounded: one more is StoreBusy at once."""
    db = SqliteDatabase(database_path, max_waiting=3)
    waiting = [asyncio.create_task(db.write(lambda conn: _note(conn, "waits")))]
    await asyncio.sleep(0.1)  # until the writer thread has taken it up and waits for the lock
    waiting += [asyncio.create_task(db.write(lambda conn: _note(conn, "waits"))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(StoreBusy, match="wait for the disk"):
        await db.write(lambda conn: _note(conn, "refused"))
    lock_holder.execute("ROLLBACK")
    await asyncio.gather(*waiting)
    assert await _subjects(db) == ["waits"] * 4
    await db.close()


async def test_commit_of_another_program_is_noticed_and_our_own_is_not(
    database: SqliteDatabase, database_path: Path
) -> None:
    """`on_outside_change` calls back within half a second of a foreign commit, never for ours."""
    noticed = 0

    def notice() -> None:
        nonlocal noticed
        noticed += 1

    database.on_outside_change(notice)
    await database.write(lambda conn: _note(conn, "ours"))
    await asyncio.sleep(0.6)
    assert noticed == 0
    raw = pysqlite3.connect(str(database_path), isolation_level=None)
    raw.execute("INSERT INTO audit (created_at, who, action, subject) VALUES (1, 'them', 'n', 'theirs')")
    raw.close()
    await eventually(lambda: noticed == 1, "the change is noticed", 0.5)


async def test_unit_that_swallows_a_lost_transaction_is_not_acknowledged(database: SqliteDatabase) -> None:
    """When the transaction is gone, a unit cannot pretend that it succeeded."""

    def unit(conn: Connection) -> None:
        _note(conn, "lost")
        driver(conn).execute("ROLLBACK")

    with pytest.raises(StoreUnavailable, match="lost"):
        await database.write(unit)
    await database.write(lambda conn: _note(conn, "kept"))
    assert await _subjects(database) == ["kept"]


async def test_unsynced_write_is_kept_and_ordered(database: SqliteDatabase) -> None:
    """A write without its own fsync is visible at once and shares commits with durable ones."""
    await asyncio.gather(
        *(database.write_unsynced(partial(_note, subject=f"u{n}")) for n in range(10)),
        *(database.write(partial(_note, subject=f"s{n}")) for n in range(10)),
    )
    await database.write_unsynced(lambda conn: _note(conn, "last"))
    assert len(await _subjects(database)) == 21

    def level(conn: Connection) -> int:
        return int(driver(conn).execute("PRAGMA synchronous").fetchone()[0])

    assert await database.write(level) == 2
    assert await database.write_unsynced(level) == 1
    assert await database.write(level) == 2


def test_second_owner_is_refused_by_pid_and_a_crash_frees_the_lock(database_path: Path) -> None:
    """One process owns the work: a second is told whose it is; `kill -9` of the owner frees it."""
    script = f"""
import sys, time
from pathlib import Path
from wireroom.store.owner import OwnerLock
lock = OwnerLock(Path({str(database_path)!r}))
lock.acquire()
print("owns", flush=True)
time.sleep(60)
"""
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    try:
        assert owner.stdout.readline() == "owns\n"
        with pytest.raises(StoreBusy, match=f"Process {owner.pid} "):
            OwnerLock(database_path).acquire()
    finally:
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait(10)
        owner.stdout.close()
    with OwnerLock(database_path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"


def test_lock_of_a_dead_owner_is_waited_for(database_path: Path) -> None:
    """A child that was just being started when its owner was killed shares the lock for a moment."""
    script = f"""
import os, time
from pathlib import Path
from wireroom.store.owner import OwnerLock
lock = OwnerLock(Path({str(database_path)!r}))
lock.acquire()
child = os.fork()
if child == 0:
    time.sleep(60)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    child = int(owner.stdout.readline())
    owner.wait(10)
    end_of_child = threading.Timer(0.2, os.kill, (child, signal.SIGKILL))
    end_of_child.start()
    with OwnerLock(database_path) as lock:
        assert lock.path.read_text() == f"{os.getpid()}\n"
    end_of_child.join()
    owner.stdout.close()


@pytest.mark.parametrize("delay_seconds", [0.5, 0.8, 1.1])
async def test_killed_writer_loses_nothing_acknowledged(database_path: Path, delay_seconds: float) -> None:
    """After `kill -9` under load every acknowledged unit is there, and none is there by half."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(_WRITER), str(database_path), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    acknowledged = [int(await process.stdout.readline())]
    reading = asyncio.create_task(process.stdout.read())
    await asyncio.sleep(delay_seconds)
    process.kill()
    acknowledged += [int(line) for line in (await reading).split(b"\n")[:-1]]
    await process.wait()

    db = SqliteDatabase(database_path)
    halves = Counter(await _subjects(db))
    await db.close()
    assert len(acknowledged) > 100
    assert set(map(str, acknowledged)) <= set(halves)
    assert set(halves.values()) == {2}
    assert len(acknowledged) == len(set(acknowledged))
