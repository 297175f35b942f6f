"""A whole move: look first, copy while the source is at work, stop it shortly, seal it, open the target.

What is killed at any line goes on when it is run again:

    before the seal      the source is as it was; what the target has is kept and brought up to date
    after the seal       nobody can write to the source; the rest is done again
    after the release    nothing is left to do, and that is said
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from wireroom.errors import Conflict, SettingsError, StoreBusy, StoreDamaged, StoreFull
from wireroom.store.migrate import HEAD, current_version, ensure_schema, sqlite_path
from wireroom.store.moving.copier import Copier, Pass, Sum, Teller
from wireroom.store.moving.side import Side
from wireroom.store.moving.sqlite_side import SqliteSide
from wireroom.store.moving.tables import JOBS, Plan, Table, plan_move
from wireroom.store.schema import legacy, metadata

_QUIET_BYTES = 16 * 1024 * 1024
"""When a pass has written no more, the next may be the last."""
_MOST_PASSES = 5
_CLASHING_PASSES = 3
_POLL_SECONDS = 0.2
_FOLLOW_SECONDS = 10.0
_ROOM = 1.3
"""How much larger than its source a SQLite file may become while it is filled."""


@dataclass(frozen=True, slots=True)
class Moved:
    """How a move went."""

    sums: list[Sum]
    stopped_seconds: float
    """For how long nobody could write."""
    left: list[str]
    """Tables that stayed behind."""


def open_side(url: str) -> Side:
    """Open a database as one side of a move.

    Raises:
        SettingsError: the address is of no kind that is known.
        StoreUnavailable: it cannot be opened.
    """
    path = sqlite_path(url)
    if path is not None:
        return SqliteSide(path)
    if not url.startswith("postgresql://"):
        scheme = url.partition(":")[0]
        raise SettingsError(f"An address of {scheme}: is neither sqlite:///path nor postgresql://….")
    # Heavy, and an extra of the package.
    try:
        from wireroom.store.moving.postgres_side import PostgresSide  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("PostgreSQL needs its driver: pip install 'wireroom[postgres]'.") from error
    return PostgresSide(url)


def move(source_url: str, target_url: str, teller: Teller, *, wait_seconds: float) -> Moved | None:
    """Move everything; the service goes on with the target afterwards, and cannot with the source.

    Args:
        source_url: What is left; a service may work on it until it is asked to stop.
        target_url: What is filled: empty, or begun by the same move.
        teller: Told of all steps.
        wait_seconds: For how long the service on the source is waited for; what it changes is copied
            meanwhile.

    Returns:
        How it went; None when it was moved there before.

    Raises:
        Conflict: the target holds other data, or versions differ.
        StoreBusy: a service still works on the source, or another process moves.
        StoreDamaged: the two sides differ, or a row cannot be kept there.
    """
    check_kinds(source_url, target_url)
    check_version(source_url)
    with closing(open_side(source_url)) as source:
        gone = source.moved_to()
        ready_target(source, target_url, gone=gone)
        with closing(open_side(target_url)) as target:
            if gone is not None and target.filled_from() is None:
                if gone != target.name:
                    raise Conflict(f"{source.name} has moved to {gone} before; it has nothing newer.")
                return None
            return _Move(source, target, teller).run(wait_seconds, is_sealed=gone is not None)


def check_kinds(source_url: str, target_url: str) -> None:
    """Refuse what a tool of the database does better."""
    kinds = [sqlite_path(url) is not None for url in (source_url, target_url)]
    if kinds == [True, True]:
        raise Conflict("Both are SQLite files: use `wireroom db backup` and `wireroom db restore`.")
    if kinds == [False, False]:
        raise Conflict("Both are PostgreSQL databases: use pg_dump and pg_restore of that server's version.")


def check_version(url: str) -> None:
    """Refuse a source that is not of this release."""
    path = sqlite_path(url)
    if path is not None and not path.exists():
        raise Conflict(f"There is no database {path.resolve()}.")
    version = current_version(url)
    if version != HEAD:
        raise Conflict(
            f"The source has the schema {version or 'of another program'}, this release {HEAD}. Start this"
            " release's `wireroom up` on it once, or use the release that wrote it."
        )


def ready_target(source: Side, url: str, *, gone: str | None = None) -> None:
    """Make the target's schema, when it is empty and has room."""
    path = sqlite_path(url)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _check_room(source, path)
    version = current_version(url)
    if version is None:
        ensure_schema(url)
    elif version != HEAD and gone is None:
        raise Conflict(f"The target has the schema {version}, this release {HEAD}. Name an empty database.")


def _check_room(source: Side, path: Path) -> None:
    there = path.stat().st_size if path.exists() else 0
    needed, free = int(source.size_bytes() * _ROOM) - there, shutil.disk_usage(path.parent).free
    if free < needed:
        raise StoreFull(f"{path.parent} has {free >> 20} MiB free; about {needed >> 20} MiB are needed.")


def plan_between(source: Side, target: Side) -> Plan:
    """Return what is moved between two open sides."""
    ours, shared = metadata.tables.keys(), legacy.tables.keys()
    return plan_move(source.tables(), target.tables(), ours=ours, shared=shared)


def take_target(source: Side, target: Side, plan: Plan) -> None:
    """Make the target ready, which must be empty or begun from this source.

    Raises:
        Conflict: it holds other data.
        StoreBusy: somebody works on it.
    """
    worker = target.at_work()
    if worker is not None:
        raise StoreBusy(f"{worker} uses {target.name}. A target must not be in use.")
    begun = target.filled_from()
    if begun is not None and begun != source.name:
        raise Conflict(f"{target.name} is being filled from {begun}. Finish that, or name an empty database.")
    if begun is None:
        full = target.first_with_rows(list(target.tables().values()))
        if full is not None:
            raise Conflict(f"{target.name} holds data already (table {full}). Name an empty database.")
    target.prepare(plan, source.name)


def settle(copier: Copier, tables: Sequence[Table]) -> Pass:
    """Pass over a source that nobody changes until nothing clashes."""
    for _ in range(_CLASHING_PASSES):
        done = copier.pass_over(tables)
        if not done.left:
            return done
    raise StoreDamaged("Rows of the source contradict each other: a unique column holds a value twice.")


def finish_target(copier: Copier, tables: Sequence[Table]) -> None:
    """Put back what the target did without, once it has all rows."""
    copier.target.complete([(table, copier.source.last_number(table)) for table in tables])


def check_equal(sums: Sequence[Sum]) -> None:
    """Refuse to go on with a target that is not its source.

    Raises:
        StoreDamaged: names the first table that differs.
    """
    for one in sums:
        if not one.is_equal:
            raise StoreDamaged(
                f"Table {one.table} differs: {one.source_rows} rows in the source, {one.target_rows} in the"
                " target. Nothing was sealed; run the same again, and report it if it stays."
            )


class _Move:
    def __init__(self, source: Side, target: Side, teller: Teller) -> None:
        self._source = source
        self._target = target
        self._teller = teller
        self._copier = Copier(source, target, teller)
        self._plan = plan_between(source, target)
        self._lasting = [table for table in self._plan.tables if table.name != JOBS]
        """Tables that are worth copying before the end; jobs come and go."""

    def run(self, wait_seconds: float, *, is_sealed: bool) -> Moved:
        take_target(self._source, self._target, self._plan)
        with self._source.readable(self._plan.tables):
            self._copy_online()
            if not is_sealed:
                self._wait_for_stop(wait_seconds)
            started = time.monotonic()
            sums = self._switch()
            stopped = time.monotonic() - started
        self._target.release()
        return Moved(sums, stopped, self._plan.left)

    def _switch(self) -> list[Sum]:
        """Bring the rest while nobody can write, see that both sides are equal, and seal the source."""
        tables = self._plan.tables
        with self._source.frozen(tables):
            self._teller.say("Nobody can write to the source now; comparing it once more.")
            settle(self._copier, tables)
            sums = self._copier.sums(tables)
            check_equal(sums)
            finish_target(self._copier, tables)
            self._source.seal(tables, self._target.name, datetime.now(UTC).isoformat(timespec="seconds"))
        return sums

    def _copy_online(self) -> None:
        """Copy until little is left, then see that the target kept it."""
        self._teller.say(f"Copying {self._source.name} to {self._target.name}; the source may be at work.")
        for _ in range(_MOST_PASSES):
            done = self._copier.pass_over(self._lasting)
            if done.written <= _QUIET_BYTES and not done.left:
                break
        self._teller.say("Reading the target back.")
        damaged = self._copier.drop_damaged(self._lasting)
        if damaged:
            self._teller.say(f"{damaged} ranges were not as written and are copied again.")

    def _wait_for_stop(self, wait_seconds: float) -> None:
        """Wait for the service on the source to be stopped, and copy on meanwhile."""
        until, next_pass, told = time.monotonic() + wait_seconds, time.monotonic() + _FOLLOW_SECONDS, False
        while (worker := self._source.at_work()) is not None:
            if not told:
                self._teller.say(
                    f"All is there but what changes from now on. {worker} is at work: stop it now."
                )
                told = True
            if time.monotonic() > until:
                raise StoreBusy(f"{worker} is still at work. Stop it and run the same again: it goes on.")
            if time.monotonic() > next_pass:
                self._copier.pass_over(self._lasting)
                next_pass = time.monotonic() + _FOLLOW_SECONDS
            time.sleep(_POLL_SECONDS)
