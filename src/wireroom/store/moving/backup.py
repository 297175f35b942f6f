"""Backups: a SQLite file, of whichever database, that either kind is restored from.

A backup is of one moment and is made while the service works. It appears under its name only when it is
whole; a restore never writes over data unless that is asked for, and keeps a SQLite file that it replaces.
"""

from __future__ import annotations

import os
import time
from contextlib import closing
from pathlib import Path

from wireroom.errors import Conflict, StoreBusy, StoreDamaged
from wireroom.store.migrate import HEAD, current_version, ensure_schema, sqlite_path
from wireroom.store.moving.copier import Copier, Sum, Teller
from wireroom.store.moving.move import (
    check_equal,
    check_version,
    finish_target,
    open_side,
    plan_between,
    ready_target,
    settle,
    take_target,
)
from wireroom.store.moving.rows import digest_of
from wireroom.store.moving.side import Side
from wireroom.store.moving.sqlite_side import SqliteSide

_BESIDE = ("", "-wal", "-shm", "-journal", ".owner", ".migrating")


def back_up(url: str, file: Path, teller: Teller) -> list[Sum]:
    """Write everything, of one moment, to a new file; return what was read back of it.

    A SQLite file is copied page by page, and its checksums are of the copy alone: both columns are equal.

    Raises:
        Conflict: the file is there, or the database is not of this release.
        StoreDamaged: what was written is not what was read.
    """
    if file.exists():
        raise Conflict(f"{file} is there already. A backup is never written over: choose another name.")
    check_version(url)
    part = file.with_name(file.name + ".part")
    _remove(part)
    try:
        with closing(open_side(url)) as source:
            sums = (
                _copy_file(source, part)
                if isinstance(source, SqliteSide)
                else _copy_rows(source, part, teller)
            )
        _settle_file(part)
        part.replace(file)
    finally:
        _remove(part)
    return sums


def restore(file: Path, url: str, teller: Teller, *, replaces: bool) -> Path | None:
    """Bring a database to what a backup holds.

    Args:
        file: The backup; it is not changed.
        url: The database to fill.
        teller: Told of all steps.
        replaces: Whether data that is there may go.

    Returns:
        Where a SQLite file that was replaced is kept, else None.

    Raises:
        Conflict: there is data, or the backup is not of this release.
        StoreBusy: a service works on the database.
        StoreDamaged: the backup is not whole.
    """
    if not file.exists():
        raise Conflict(f"There is no backup {file}.")
    path = sqlite_path(url)
    with closing(SqliteSide(file)) as source:
        _check_pages(source)
        if path is not None:
            return _restore_file(source, path, replaces=replaces)
        _restore_rows(source, url, teller, replaces=replaces)
        return None


def open_to_look(url: str) -> Side:
    """Open a database or a backup.

    Raises:
        Conflict: there is none.
    """
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise Conflict(f"There is no database {path}.")
    return open_side(url)


def _check_pages(source: SqliteSide) -> None:
    found = source.rows("PRAGMA integrity_check(1)")[0][0]
    if found != "ok":
        raise StoreDamaged(f"{source.path} is not whole: {found}. Use another backup.")
    if not source.has_table("wireroom_version"):
        raise Conflict(f"{source.path} is a SQLite file, but no backup of Wireroom.")


def _copy_file(source: SqliteSide, part: Path) -> list[Sum]:
    source.copy_into(part)
    with closing(SqliteSide(part)) as copy:
        _check_pages(copy)
        return sums_of(copy)


def sums_of(side: Side) -> list[Sum]:
    """Return the rows and the checksum of every table of one database, each as one range."""
    found = []
    for name, table in side.tables().items():
        rows, digest = digest_of(side.chunks(table, None, None))
        found.append(Sum(name, rows, rows, digest, digest))
    return found


def _copy_rows(source: Side, part: Path, teller: Teller) -> list[Sum]:
    url = f"sqlite:///{part.resolve()}"
    ensure_schema(url)
    tables = list(source.tables().values())
    with closing(open_side(url)) as target, source.readable(tables), source.snapshot():
        return _fill(source, target, teller)


def _fill(source: Side, target: Side, teller: Teller) -> list[Sum]:
    """Copy everything from a source that stands still."""
    plan = plan_between(source, target)
    take_target(source, target, plan)
    copier = Copier(source, target, teller)
    settle(copier, plan.tables)
    sums = copier.sums(plan.tables)
    check_equal(sums)
    finish_target(copier, plan.tables)
    target.release()
    return sums


def _restore_rows(source: SqliteSide, url: str, teller: Teller, *, replaces: bool) -> None:
    if current_version(f"sqlite:///{source.path.resolve()}") != HEAD:
        raise Conflict(
            f"{source.path} is of another release. Restore it to a SQLite file, start `wireroom up` on that"
            " once, then use `wireroom db copy`."
        )
    ready_target(source, url)
    with closing(open_side(url)) as target, source.snapshot():
        if replaces and target.filled_from() != source.name:
            _empty(target)
        _fill(source, target, teller)


def _empty(target: Side) -> None:
    worker = target.at_work()
    if worker is not None:
        raise StoreBusy(f"{worker} uses {target.name}. Stop it first.")
    target.clear(list(target.tables().values()))
    if target.filled_from() is not None:
        target.complete([])
        target.release()


def _restore_file(source: SqliteSide, path: Path, *, replaces: bool) -> Path | None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = None
    with closing(_Place(path)) as place:
        if path.exists() and not replaces and place.has_rows():
            raise Conflict(
                f"{path} holds data. Say --replace to put the backup in its place; it is kept beside."
            )
        part = path.with_name(path.name + ".part")
        _remove(part)
        source.copy_into(part)
        _settle_file(part)
        if path.exists():
            kept = place.put_aside()
        part.replace(path)
        _sync_folder(path.parent)
    return kept


class _Place:
    """Where a SQLite file is restored to, and nobody works meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._side = SqliteSide(path) if path.exists() else None
        worker = self._side.at_work() if self._side is not None else None
        if worker is not None:
            self.close()
            raise StoreBusy(f"{worker} uses {path}. Stop it first.")

    def has_rows(self) -> bool:
        side = self._side
        return side is not None and side.first_with_rows(list(side.tables().values())) is not None

    def put_aside(self) -> Path:
        """Rename the file that is there, with its log written into it."""
        if self._side is not None:
            self._side.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            self._side.rows("PRAGMA journal_mode=DELETE")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        kept = self._path.with_name(f"{self._path.name}.before-{stamp}")
        self._path.replace(kept)
        return kept

    def close(self) -> None:
        if self._side is not None:
            self._side.close()


def _settle_file(path: Path) -> None:
    """Make a finished file one file, and durable."""
    with closing(SqliteSide(path)) as side:
        side.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        side.rows("PRAGMA journal_mode=DELETE")
    with path.open("rb") as file:
        os.fsync(file.fileno())
    for ending in _BESIDE[1:]:
        path.with_name(path.name + ending).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for ending in _BESIDE:
        path.with_name(path.name + ending).unlink(missing_ok=True)
