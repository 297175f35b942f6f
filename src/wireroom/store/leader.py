"""The one of several processes that does what only one may do, chosen by a lock of PostgreSQL.

The lock belongs to a connection of its own and ends with it, so a crash gives it up at once. A leader that
is stopped, or cut off, keeps its connection in the server's eyes; it touches it each second, and a candidate
that finds it silent for too long ends it. The rules are in `store.leadership`. There is no table.

Needs a connection that stays with its process: a pooler in transaction mode must not stand in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from wireroom.clock import came_within
from wireroom.errors import StoreUnavailable
from wireroom.perf.metrics import LEADS
from wireroom.store.leadership import Evict, Holder, Lease, TryAgain, Wait, next_move, time_left
from wireroom.store.own_connection import OwnConnection, own_connection

Term = Callable[[], Coroutine[Any, Any, None]]
"""What a leader does: begun at the start of each term, cancelled at its end, and endless itself."""

_NAME = "wireroom leader"
_LOCK = {"family": 0x57697265, "number": 1}
"""Of this database; the family says Wire."""
_ANSWER_SECONDS = 1.5
_LOCK_ENDS_SECONDS = 0.1
"""Between ending a leader's connection and the next look at its lock."""

_TRY = "SELECT pg_try_advisory_lock(%(family)s, %(number)s)"
_LISTEN = "LISTEN wireroom_leader"
_TOUCH = "SELECT 1"
# The notice reaches candidates after the lock is free.
_RELEASE = "SELECT pg_advisory_unlock(%(family)s, %(number)s), pg_notify('wireroom_leader', '')"
_HOLDER = """
    SELECT locks.pid, coalesce(extract(epoch FROM clock_timestamp() - state_change), 0)::float
    FROM pg_locks AS locks JOIN pg_stat_activity AS activity ON activity.pid = locks.pid
    WHERE locktype = 'advisory' AND objsubid = 2 AND granted
        AND classid = %(family)s::oid AND objid = %(number)s::oid
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# Looks again: the holder may have touched its connection since.
_EVICT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %(pid)s AND application_name = %(name)s
        AND state_change < clock_timestamp() - make_interval(secs => %(seconds)s)
"""
_log = structlog.get_logger(__name__)


class Leader:
    """One of the processes on a PostgreSQL database, which may come to lead."""

    def __init__(
        self, url: str, *, lease: Lease | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare; nothing is connected until `run`.

        Args:
            url: `postgresql://…`
            lease: How long silence is borne; the same in every process.
            monotonic: Gives seconds that go on while the process is stopped.
        """
        self._url = url
        self._lease = lease or Lease()
        self._monotonic = monotonic
        self.leads = False
        """Whether this process leads now."""

    async def run(self, term: Term) -> None:
        """Stand for election, lead, and stand again after each loss, until cancelled.

        What the term raises is passed on. A cancelled leader ends its term first, then gives the lock up,
        and a candidate has it at once.
        """
        while True:
            try:
                async with own_connection(self._url, _NAME) as connection:
                    touched_at = await self._win(connection)
                    await self._lead(connection, term, touched_at)
            except StoreUnavailable as error:
                _log.warning("leadership_out_of_reach", reason=str(error))
                await asyncio.sleep(self._lease.touch_every)

    async def _win(self, connection: OwnConnection) -> float:
        """Return, once we have the lock, since when; raises StoreUnavailable."""
        await connection.ask(_LISTEN, within=_ANSWER_SECONDS)
        while True:
            asked_at = self._monotonic()
            tried = await connection.ask(_TRY, _LOCK, within=_ANSWER_SECONDS)
            if tried is not None and tried[0]:
                return asked_at
            found = await connection.ask(_HOLDER, _LOCK, within=_ANSWER_SECONDS)
            match next_move(None if found is None else Holder(*found), self._lease):
                case TryAgain():
                    pass
                case Wait(seconds):
                    await connection.hear(seconds)
                case Evict(pid):
                    _log.warning("silent_leader_evicted", backend_pid=pid)
                    values = {"pid": pid, "name": _NAME, "seconds": self._lease.evict_after}
                    await connection.ask(_EVICT, values, within=_ANSWER_SECONDS)
                    await connection.hear(_LOCK_ENDS_SECONDS)

    async def _lead(self, connection: OwnConnection, term: Term, touched_at: float) -> None:
        """Do the leader's work for as long as the lease lasts."""
        over = asyncio.Event()
        keeping = asyncio.create_task(self._keep(connection, touched_at, over), name="leader's lease")
        working = asyncio.create_task(term(), name="leader's work")
        self._note(leads=True)
        try:
            await asyncio.wait((keeping, working), return_when=asyncio.FIRST_COMPLETED)
        finally:
            working.cancel("this process leads no more")
            await asyncio.gather(working, return_exceptions=True)
            self._note(leads=False)
            over.set()
            await self._release(connection, keeping)
        if not working.cancelled():
            working.result()

    async def _keep(self, connection: OwnConnection, touched_at: float, over: asyncio.Event) -> None:
        """Touch the connection now and then; return when told to, or when the lease is lost."""
        while not over.is_set():
            if await came_within(self._lease.touch_every, over.wait()):
                return
            asked_at = self._monotonic()
            if not (left := time_left(touched_at, asked_at, self._lease)):
                raise StoreUnavailable("This process was stopped for longer than its lease.")
            await connection.ask(_TOUCH, within=left)
            touched_at = asked_at

    async def _release(self, connection: OwnConnection, keeping: asyncio.Task[None]) -> None:
        """Give the lock up; where the lease was lost it is, or soon will be, somebody else's."""
        try:
            await keeping
            await connection.ask(_RELEASE, _LOCK, within=_ANSWER_SECONDS)
        except StoreUnavailable as error:
            _log.warning("leadership_lost", reason=str(error))

    def _note(self, *, leads: bool) -> None:
        self.leads = leads
        LEADS.set(leads)
        _log.info("leadership_begun" if leads else "leadership_ended")
