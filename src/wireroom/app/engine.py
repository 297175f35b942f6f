"""The database and the job engine that belong together, chosen by the database's URL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from wireroom.agents import admission
from wireroom.app.led import Leadership, SoleProcess
from wireroom.callbacks import outbox as callback_outbox
from wireroom.clock import Clock, SystemClock
from wireroom.delivery import outbox, speaking
from wireroom.delivery.lanes import LaneRules, Lanes
from wireroom.delivery.pace import SendingPace
from wireroom.delivery.permits import MemoryPermits, PermitsByBot
from wireroom.delivery.shared_permits import SharedPermits
from wireroom.errors import SettingsError
from wireroom.intake import accept, git_chat
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.embedded_worker import EmbeddedWorker
from wireroom.jobs.give_way import GiveWay
from wireroom.jobs.port import Jobs, Pace, QueueSpec, RetryPolicy, Worker
from wireroom.perf.sql_scope import set_repeat_limit
from wireroom.perf.sql_slow import set_slow_limit
from wireroom.runs import records, side
from wireroom.settings import Settings
from wireroom.store.database import Database
from wireroom.store.migrate import ensure_schema, sqlite_path
from wireroom.store.owner import OwnerLock
from wireroom.store.sqlite import SqliteDatabase
from wireroom.tasks import wake

if TYPE_CHECKING:
    from wireroom.store.wake_ups import WakeUps  # with its driver, only where there is PostgreSQL

_INTAKE_CONCURRENCY = 64
DELIVERY_CONCURRENCY = 64
_CALLBACK_CONCURRENCY = 16
_CALL_CONCURRENCY = 64
_TIME_CONCURRENCY = 8
_SPEECH_CONCURRENCY = 16
_GIT_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Engine:
    """Where state and work live."""

    db: Database
    jobs: Jobs
    worker: Worker
    gives_way: GiveWay = field(default_factory=GiveWay)
    """What is told when receiving updates must go before handling them."""
    permits: PermitsByBot = field(
        default_factory=lambda: PermitsByBot(lambda _: MemoryPermits(Lanes(), SystemClock()))
    )
    """Permits to send; the queue of deliveries keeps their pace."""
    leadership: Leadership = field(default_factory=SoleProcess)
    """Says when this process does what only one may do."""
    wake_ups: WakeUps | None = None
    """Tells other processes where there is news; None where the database's file tells them."""


OpenEngine = Callable[[Settings, Clock], AbstractAsyncContextManager[Engine]]
"""Opens an engine for as long as the context lasts."""


def queue_specs(
    settings: Settings, gives_way: Pace | None = None, sending: Pace | None = None
) -> list[QueueSpec]:
    """Return the queues of the three rooms, with the paces of handling updates and of sending messages."""
    quick = RetryPolicy(
        max_attempts=settings.update_attempts, base=timedelta(milliseconds=200), cap=timedelta(seconds=5)
    )
    patient = RetryPolicy(max_attempts=20, base=timedelta(seconds=1), cap=timedelta(minutes=5))
    return [
        QueueSpec(accept.QUEUE, _INTAKE_CONCURRENCY, quick, pace=gives_way),
        QueueSpec(records.QUEUE, settings.slots, patient),
        QueueSpec(wake.QUEUE, 1, patient),
        QueueSpec(git_chat.QUEUE, _GIT_CONCURRENCY, quick),
        QueueSpec(side.QUEUE, settings.side_slots, patient),
        QueueSpec(outbox.QUEUE, DELIVERY_CONCURRENCY, patient, drains=True, pace=sending),
        QueueSpec(callback_outbox.QUEUE, _CALLBACK_CONCURRENCY, patient, drains=True),
        QueueSpec(speaking.QUEUE, _SPEECH_CONCURRENCY, patient),
        QueueSpec(admission.CALL_QUEUE, _CALL_CONCURRENCY, patient),
        QueueSpec(admission.TIME_QUEUE, _TIME_CONCURRENCY, patient),
    ]


def queue_names(settings: Settings) -> list[str]:
    """Return the names of all queues, whichever of them this process works."""
    return [spec.name for spec in queue_specs(settings)]


def lane_rules(settings: Settings) -> LaneRules:
    """Return the flood rules; a Bot API server of one's own, or paid broadcasts, may allow more."""
    spacing = 1 / settings.chat_messages_per_second
    return LaneRules(
        chat_spacing_seconds=spacing,
        edit_spacing_seconds=spacing,
        group_edit_spacing_seconds=60 / settings.group_messages_per_minute,
        overall_limit=settings.messages_per_second,
        group_limit=settings.group_messages_per_minute,
    )


@asynccontextmanager
async def open_engine(
    settings: Settings, clock: Clock, *, queues: Collection[str] | None = None
) -> AsyncIterator[Engine]:
    """Open what the database's URL names, brought to this release's schema.

    Args:
        settings: See `settings`.
        clock: Where the time comes from.
        queues: On PostgreSQL, the queues that this process's worker serves; None: all.

    Raises:
        StoreUnavailable: it cannot be used, or another process works on the file; the message says which.
    """
    set_slow_limit(settings.slow_statement_ms)
    set_repeat_limit(settings.statement_repeats)
    path = sqlite_path(settings.url)
    if path is None:
        async with _postgres(settings, clock, queues) as engine:
            yield engine
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # Say at once that another process works on the file; the worker takes the lock for good when it runs.
    with OwnerLock(path):
        pass
    await asyncio.to_thread(ensure_schema, settings.url)
    db = SqliteDatabase(path, readers=settings.reader_threads)
    try:
        gives_way, rules = GiveWay(), lane_rules(settings)
        permits = PermitsByBot(lambda _: MemoryPermits(Lanes(rules), clock))
        specs = queue_specs(settings, gives_way, SendingPace(permits))
        worker = EmbeddedWorker(db, specs, clock)
        yield Engine(db, EmbeddedJobs(clock, worker), worker, gives_way, permits)
    finally:
        await db.close()


@asynccontextmanager
async def open_for_commands(settings: Settings, clock: Clock) -> AsyncIterator[Engine]:
    """Open the same database beside a running service or without one: to look and to enqueue only.

    Raises:
        SettingsError: there is no database where the settings say; a command begins no new installation.
        StoreUnavailable: it cannot be used.
    """
    path = sqlite_path(settings.url)
    if path is None:
        async with _postgres(settings, clock) as engine:
            yield engine
        return
    if not path.exists():
        raise SettingsError(
            f"WIREROOM_DATA_DIR: there is no database {path.resolve()}. Run this where Wireroom was started,"
            " or set WIREROOM_DATA_DIR as it was then; `wireroom up` begins a new installation."
        )
    await asyncio.to_thread(ensure_schema, settings.url)
    db = SqliteDatabase(path, readers=1)
    try:
        yield Engine(db, EmbeddedJobs(clock), EmbeddedWorker(db, [], clock))
    finally:
        await db.close()


@asynccontextmanager
async def _postgres(
    settings: Settings, clock: Clock, queues: Collection[str] | None = None
) -> AsyncIterator[Engine]:
    # Heavy, and an extra of the package: only an installation on PostgreSQL pays for it.
    from wireroom.jobs.procrastinate import ProcrastinateJobs, ProcrastinateWorker  # noqa: PLC0415
    from wireroom.store.leader import Leader  # noqa: PLC0415 - as above
    from wireroom.store.postgres import PostgresDatabase  # noqa: PLC0415
    from wireroom.store.wake_ups import WakeUps  # noqa: PLC0415 - as above

    await asyncio.to_thread(ensure_schema, settings.url)
    db = PostgresDatabase(
        settings.url,
        pool_size=settings.pool_size,
        max_overflow=settings.pool_overflow,
        acquire_seconds=settings.pool_wait_seconds,
    )
    try:
        jobs = ProcrastinateJobs(clock)
        rules = lane_rules(settings)
        permits = PermitsByBot(lambda bot_id: SharedPermits(db, bot_id, rules, clock))
        specs = queue_specs(settings, sending=SendingPace(permits))
        served = [spec for spec in specs if queues is None or spec.name in queues]
        worker = ProcrastinateWorker(db, served, clock)
        yield Engine(
            db,
            jobs,
            worker,
            permits=permits,
            leadership=Leader(settings.url),
            wake_ups=WakeUps(db, settings.url),
        )
    finally:
        await db.close()
