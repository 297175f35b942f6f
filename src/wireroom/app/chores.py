"""What a service does now and then, for as long as it runs: forget what is old, clear what is left over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, select, text

from wireroom.app.engine import Engine
from wireroom.app.led import Part
from wireroom.callbacks.inbox import forget_results
from wireroom.clock import Clock, to_ms
from wireroom.digest.due import Digests
from wireroom.intake.housekeeping import keep_tombstones
from wireroom.runs.feed import Feed
from wireroom.runs.overdue import Overdue
from wireroom.runs.retention import forget_old_conversations
from wireroom.settings import Settings
from wireroom.store.budget_rows import forget_whole_budgets
from wireroom.store.chore import repeat
from wireroom.store.database import Database
from wireroom.store.lane_rows import forget_idle_chats
from wireroom.store.schema import runs
from wireroom.store.statement import Statement
from wireroom.workspaces.inbox import Inbox
from wireroom.workspaces.outbox import Outbox
from wireroom.workspaces.private_dir import private_folders, remove_leftovers
from wireroom.workspaces.workspace import Workspaces

_SWEEP_SECONDS = 3600.0
_LIMITS_SECONDS = 60.0
_RESULTS_ARE_KEPT = timedelta(days=7)
_LEASES_MAY_LAG = timedelta(hours=1)
"""A database that cannot be reached keeps leases from being renewed; the agents work on."""
_log = structlog.get_logger(__name__)

_LIVING = Statement("""
    SELECT 1 FROM run_attempts
    WHERE run_id = :run_id AND epoch = :epoch AND state = 'running' AND lease_until > :since_ms
""")
"""Whether some process works on the attempt."""


def row_chores(settings: Settings, engine: Engine, clock: Clock, feed: Feed) -> dict[str, Part]:
    """Return the endless chores about rows by name, which one process does for all."""
    db = engine.db
    queue_wait = timedelta(seconds=settings.queue_wait_seconds)
    found: dict[str, Part] = {
        "tombstones": partial(keep_tombstones, db, clock, timedelta(days=settings.tombstone_days)),
        "remote results": partial(forget_remote_results, db, clock),
        "digests": Digests(db, engine.jobs, clock, settings.time_zone).run,
        "overdue runs": Overdue(db, engine.jobs, clock, feed, limit=queue_wait).run,
    }
    if db.dialect != "sqlite":
        found["shared limits"] = partial(forget_idle_limits, db)
    if settings.conversation_days:
        age = timedelta(days=settings.conversation_days)
        found["retention"] = partial(forget_old_conversations, db, clock, age)
    return found


def folder_chores(
    settings: Settings, db: Database, clock: Clock, workspaces: Workspaces
) -> dict[str, Coroutine[Any, Any, None]]:
    """Return the endless chores about this machine's folders by name; each is to run as a task of its own."""
    found = {
        "worktrees": sweep_worktrees(db, workspaces),
        "given files": sweep_given_files(settings, clock),
    }
    if db.dialect != "sqlite":
        found["private folders"] = sweep_private_folders(db, clock, settings.data_dir)
    return found


async def forget_idle_limits(db: Database) -> None:
    """Delete what is known of chats and callers that nothing holds back, every minute, until cancelled."""

    async def forget() -> None:
        await db.write(forget_idle_chats)
        await db.write(forget_whole_budgets)

    await repeat("shared limits", forget, _LIMITS_SECONDS)


async def sweep_worktrees(db: Database, workspaces: Workspaces) -> None:
    """Remove the worktrees that were not used for long, every hour, until cancelled."""

    async def sweep() -> None:
        removed = await workspaces.sweep(await db.read(_unfinished))
        if removed:
            _log.info("worktrees_removed", run_ids=removed)

    await repeat("worktrees", sweep, _SWEEP_SECONDS)


async def sweep_given_files(settings: Settings, clock: Clock) -> None:
    """Remove the files that people attached, and agents left, long ago; every hour, until cancelled."""
    outbox = Outbox(settings.data_dir)
    inbox = Inbox(settings.data_dir, max_bytes=settings.max_file_mib * 1024**2)

    async def sweep() -> None:
        removed = await asyncio.to_thread(inbox.sweep, clock.now().timestamp())
        if removed:
            _log.info("given_files_removed", count=removed)
        removed = await asyncio.to_thread(outbox.sweep, clock.now().timestamp())
        if removed:
            _log.info("left_files_removed", runs=removed)

    await repeat("given files", sweep, _SWEEP_SECONDS)


async def sweep_private_folders(db: Database, clock: Clock, data_dir: Path) -> None:
    """Remove what crashes left of attempts' folders, every hour, until cancelled.

    Where several processes may share the folder, a start cannot tell by itself whose attempts are alive.
    """

    async def sweep() -> None:
        names = await asyncio.to_thread(private_folders, data_dir)
        alive = partial(living_attempts, names=names, since_ms=to_ms(clock.now() - _LEASES_MAY_LAG))
        left = set(names) - await db.read(alive)
        await asyncio.to_thread(remove_leftovers, data_dir, left)

    await repeat("private folders", sweep, _SWEEP_SECONDS)


def living_attempts(conn: Connection, names: Sequence[str], since_ms: int) -> frozenset[str]:
    """Return which of these attempts, named as their folders, are at work by a lease that is not too old."""
    found = set()
    for name in names:
        run_id, _, epoch = name.rpartition(".")
        if epoch.isascii() and epoch.isdigit() and _LIVING.row(conn, **_attempt(run_id, epoch, since_ms)):
            found.add(name)
    return frozenset(found)


def _attempt(run_id: str, epoch: str, since_ms: int) -> dict[str, Any]:
    return {"run_id": run_id, "epoch": int(epoch[:9]), "since_ms": since_ms}


async def forget_remote_results(db: Database, clock: Clock) -> None:
    """Delete what remote runners reported a week ago, every hour, until cancelled."""

    async def forget() -> None:
        before_ms = to_ms(clock.now() - _RESULTS_ARE_KEPT)
        await db.write(partial(forget_results, before_ms=before_ms))

    await repeat("remote results", forget, _SWEEP_SECONDS)


def _unfinished(conn: Connection) -> frozenset[str]:
    query = select(runs.c.id).where(text("state IN ('queued', 'running')"))
    return frozenset(conn.scalars(query))
