"""What watches the process while it runs, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select

from wireroom.app.engine import Engine
from wireroom.app.ids import new_id
from wireroom.clock import Clock, to_ms
from wireroom.delivery.outbox import Recipient, send_notice
from wireroom.errors import StoreUnavailable, WireroomError
from wireroom.intake.access import Role
from wireroom.jobs.port import QueueCounts
from wireroom.perf import sql
from wireroom.perf.evidence import StatementFigures
from wireroom.perf.gc_pauses import PauseWatch
from wireroom.perf.history_reading import Depth
from wireroom.perf.history_sampler import Depths, HistorySampler
from wireroom.perf.loop_lag import LoopWatch
from wireroom.perf.memory import MemoryAlarm
from wireroom.perf.profile_shelf import ProfileShelf
from wireroom.perf.profiles import Profiler
from wireroom.perf.resource_watch import Alert, ResourceWatch
from wireroom.settings import Settings
from wireroom.store.schema import people
from wireroom.tasks.notices import read_chat

_MIB = 1024 * 1024
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Probes:
    """The watches of one process."""

    loop: LoopWatch
    resources: ResourceWatch
    pauses: PauseWatch
    profiler: Profiler
    history: HistorySampler
    shelf: ProfileShelf

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what is to run as a task of its own, for as long as the service does, by name."""
        return {
            "loop watch": self.loop.run(),
            "resource watch": self.resources.run(),
            "history": self.history.run(),
        }


def make_probes(settings: Settings, engine: Engine, clock: Clock) -> Probes:
    """Return the watches; none of them has begun."""
    loop = LoopWatch()
    alarm = MemoryAlarm(settings.memory_alert_mb * _MIB)
    resources = ResourceWatch(alarm=alarm, alert=owner_alert(settings, engine, clock))
    profiler = Profiler(loop, _begin_statements, growth=resources.growth)
    return Probes(
        loop=loop,
        resources=resources,
        pauses=PauseWatch(),
        profiler=profiler,
        history=HistorySampler(queue_depths(engine, clock)),
        shelf=ProfileShelf(profiler, new_id=lambda: new_id("profile"), now_ms=lambda: to_ms(clock.now())),
    )


def queue_depths(engine: Engine, clock: Clock) -> Depths:
    """Return what counts the jobs of each queue; it gives None while the database does not answer."""

    def unit(conn: Connection) -> tuple[Mapping[str, QueueCounts], Mapping[str, int]]:
        return engine.jobs.counts(conn), engine.jobs.oldest_due(conn)

    async def depths() -> Mapping[str, Depth] | None:
        try:
            counts, oldest = await engine.db.read(unit)
        except StoreUnavailable:
            return None
        now_ms = to_ms(clock.now())
        return {
            queue: Depth(one.waiting, one.delayed, one.running, one.dead, _age(oldest.get(queue), now_ms))
            for queue, one in counts.items()
        }

    return depths


def _age(due_ms: int | None, now_ms: int) -> float:
    return 0.0 if due_ms is None else max(0.0, (now_ms - due_ms) / 1000)


def owner_alert(settings: Settings, engine: Engine, clock: Clock) -> Alert:
    """Return what tells the operator's chat, else the owner's; without a bot it does nothing."""

    async def alert(text: str) -> None:
        if not settings.bot_id:
            return
        now_ms = to_ms(clock.now())

        def unit(conn: Connection) -> None:
            to = read_chat(settings.operator_chat, settings.bot_id) or _owner(conn, settings.bot_id)
            if to is not None:
                send_notice(conn, engine.jobs, to, text, now_ms=now_ms)

        try:
            await engine.db.write(unit)
        except WireroomError as error:
            _log.warning("alert_not_sent", reason=str(error))

    return alert


def _owner(conn: Connection, bot_id: int) -> Recipient | None:
    """Return the owner's private chat, whose number is the person's."""
    query = select(people.c.user_id).where(people.c.bot_id == bot_id, people.c.role == Role.OWNER)
    user_id: int | None = conn.execute(query).scalars().first()
    return None if user_id is None else Recipient(f"telegram:{bot_id}:{user_id}:0", bot_id, user_id)


def _begin_statements() -> Callable[[], Sequence[StatementFigures]]:
    since = sql.mark()
    return lambda: sql.statement_statistics(since)
