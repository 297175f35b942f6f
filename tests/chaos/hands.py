"""Carries the schedule out, and restarts what dies, as a process manager would."""

from __future__ import annotations

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaos.faults import Fault, Kind
from chaos.site import Site
from cluster import Member
from wireroom.testing.bot_api.faults import Fault as TelegramFault
from wireroom.testing.bot_api.faults import Hang, broken, flooded

_SLOW_SECONDS = 0.05
_LOST_SHARE = 0.1
_REVIVE_SECONDS = 0.3
_TELEGRAM: dict[Kind, TelegramFault] = {
    Kind.TELEGRAM_FLOOD: flooded(1),
    Kind.TELEGRAM_BROKEN: broken(502, "Bad Gateway"),
    Kind.TELEGRAM_SILENT: Hang(3.0),
}


@dataclass(frozen=True, slots=True)
class Happened:
    """A fault as it was."""

    fault: Fault
    began_seconds: float
    """Since the load began."""
    lifted_seconds: float
    """When everything that it had stopped was started again."""


@dataclass(slots=True)
class Hands:
    """Does to a site what a schedule says."""

    site: Site
    began: float
    """`time.monotonic()` when the load began."""
    draw: random.Random
    """Which answers get lost."""
    happened: list[Happened] = field(default_factory=list)
    died_alone: list[str] = field(default_factory=list)
    """Processes that ended although nobody had told them to: name and seconds."""
    _down: set[str] = field(default_factory=set)
    _locks: defaultdict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """What fails has one fault at a time."""

    async def carry_out(self, faults: Sequence[Fault]) -> None:
        """Return once all faults are over."""
        manager = asyncio.create_task(self._keep_alive(), name="process manager")
        try:
            async with asyncio.TaskGroup() as group:
                for fault in faults:
                    group.create_task(self._one(fault), name=f"{fault.kind} {fault.member}")
        finally:
            manager.cancel()
            await asyncio.gather(manager, return_exceptions=True)

    async def _one(self, fault: Fault) -> None:
        await asyncio.sleep(max(0.0, fault.at_seconds - self._now()))
        # On a busy machine a start takes longer than the schedule thought.
        async with self._locks[fault.where]:
            began = self._now()
            await self._do(fault)
            self.happened.append(Happened(fault, began, self._now()))

    async def _do(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.KILL | Kind.END:
                await self._end(self.site.member(fault.member), fault)
            case Kind.FREEZE:
                member = self.site.member(fault.member)
                await _around(member.freeze, fault, member.thaw)
            case Kind.HOLD | Kind.CUT | Kind.LOSE | Kind.SLOW:
                link = self.site.links[fault.member]
                spoil = {
                    Kind.HOLD: link.hold,
                    Kind.CUT: link.cut,
                    Kind.LOSE: lambda: link.lose_answers(lambda: self.draw.random() < _LOST_SHARE),
                    Kind.SLOW: lambda: link.slow(_SLOW_SECONDS),
                }
                await _around(spoil[fault.kind], fault, link.mend)
            case Kind.DATABASE_RESTART:
                await _around_blocking(self.site.postgres.halt, fault, self.site.postgres.begin)
            case Kind.DATABASE_CRASH:
                await _around_blocking(self.site.postgres.crash, fault, self.site.postgres.begin)
            case Kind.REDIS_FLUSH:
                await asyncio.to_thread(self._flush)
            case Kind.REDIS_STOP:
                await _around_blocking(self.site.redis.stop, fault, self.site.redis.start)
            case Kind.TELEGRAM_FLOOD | Kind.TELEGRAM_BROKEN | Kind.TELEGRAM_SILENT:
                self.site.telegram.fault(_TELEGRAM[fault.kind], count=None, for_seconds=fault.lasts_seconds)
                await asyncio.sleep(fault.lasts_seconds)

    async def _end(self, member: Member, fault: Fault) -> None:
        """Kill or end a process, leave it down, and start it again."""
        self._down.add(member.name)
        if member.is_alive():
            await (member.kill() if fault.kind is Kind.KILL else member.stop())
        await asyncio.sleep(fault.lasts_seconds)
        await self._revive(member)
        self._down.discard(member.name)

    async def _revive(self, member: Member) -> None:
        """Start a process as often as it takes: one that begins while the database is away ends again."""
        while True:
            member.begin()
            await member.is_begun(may_die=True)
            if member.is_up():
                return
            await asyncio.sleep(_REVIVE_SECONDS)

    async def _keep_alive(self) -> None:
        while True:
            for member in self.site.cluster.members:
                if member.name not in self._down and not member.is_alive():
                    self.died_alone.append(f"{member.name} at {self._now():.1f} s")
                    await self._revive(member)
            await asyncio.sleep(_REVIVE_SECONDS)

    def _flush(self) -> None:
        if self.site.redis.pid:
            self.site.redis.command("FLUSHALL")

    def _now(self) -> float:
        return time.monotonic() - self.began


async def _around(spoil: Callable[[], None], fault: Fault, mend: Callable[[], None]) -> None:
    spoil()
    await asyncio.sleep(fault.lasts_seconds)
    mend()


async def _around_blocking(spoil: Callable[[], None], fault: Fault, mend: Callable[[], None]) -> None:
    await asyncio.to_thread(spoil)
    await asyncio.sleep(fault.lasts_seconds)
    await asyncio.to_thread(mend)
