"""What watches the process while it runs, and who is told."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import Connection, select

from wireroom.app.engine import Engine
from wireroom.clock import Clock, to_ms
from wireroom.delivery.outbox import Recipient, send_notice
from wireroom.errors import WireroomError
from wireroom.intake.access import Role
from wireroom.perf import sql
from wireroom.perf.evidence import StatementFigures
from wireroom.perf.gc_pauses import PauseWatch
from wireroom.perf.loop_lag import LoopWatch
from wireroom.perf.memory import MemoryAlarm
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

    def tasks(self) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what is to run as a task of its own, for as long as the service does, by name."""
        return {"loop watch": self.loop.run(), "resource watch": self.resources.run()}


def make_probes(settings: Settings, engine: Engine, clock: Clock) -> Probes:
    """Return the watches; none of them has begun."""
    loop = LoopWatch()
    alarm = MemoryAlarm(settings.memory_alert_mb * _MIB)
    resources = ResourceWatch(alarm=alarm, alert=owner_alert(settings, engine, clock))
    return Probes(
        loop=loop,
        resources=resources,
        pauses=PauseWatch(),
        profiler=Profiler(loop, _begin_statements, growth=resources.growth),
    )


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
