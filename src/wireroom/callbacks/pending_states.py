"""Keeps Redis in step with the open requests of the chat, for an older chat front end that reads them there.

Our rows are the truth: what is written follows from them alone, so neither a crash nor an outage of Redis
leaves anything to mend. A request has a key under its own id, and one under the id that a runner elsewhere
was given, since that is the one which this runner's callback names.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from sqlalchemy import Connection

from wireroom.callbacks.pending import Pending, decode_pending, encode_pending, moment, state_key
from wireroom.clock import Clock, to_ms
from wireroom.errors import RedisUnavailable
from wireroom.redis.pool import RedisPool
from wireroom.store.chore import repeat
from wireroom.store.database import Database
from wireroom.store.statement import Statement

_LOOK_SECONDS = 1.0
_AT_MOST = 1000
_AT_ONCE = 50
"""States in one round trip, of up to 80 KiB each: all of them together could be too late for ever."""

_OPEN = Statement(f"""
    SELECT r.request_id, a.errand, d.chat_id, r.source_message_id, r.prompt, r.queued_at
    FROM runs r
    JOIN deliveries d ON d.run_id = r.id
    LEFT JOIN run_attempts a ON a.run_id = r.id AND a.epoch = r.epoch
    WHERE r.state IN ('queued', 'running') AND r.source = 'telegram' AND r.queued_at > :since_ms
    ORDER BY r.queued_at DESC
    LIMIT {_AT_MOST}
""")
"""The newest open requests of the chat, with the id that a runner elsewhere was given, if any."""


class PendingStates:
    """The callback states of this installation in Redis."""

    def __init__(
        self,
        db: Database,
        pool: RedisPool,
        clock: Clock,
        *,
        ttl_seconds: int,
        look_seconds: float = _LOOK_SECONDS,
    ) -> None:
        """Follow the database.

        Args:
            db: Whose open requests are written.
            pool: Where to; must run.
            clock: The time.
            ttl_seconds: How long a state lives from its request on, 1 to 86,400.
            look_seconds: How often the rows are looked at.
        """
        self._db = db
        self._pool = pool
        self._clock = clock
        self._ttl_seconds = ttl_seconds
        self._look_seconds = look_seconds
        self._written: set[str] = set()
        self._returns = 1
        """How often Redis has come back, perhaps empty, and for which of these everything was written."""
        self._served_returns = 0
        pool.when_back(self._note_return)

    async def run(self) -> None:
        """Keep in step, until cancelled; an outage on either side is waited out."""
        await repeat("callback states", self._step_when_up, self._look_seconds)

    async def _step_when_up(self) -> None:
        await self._pool.wait_up()
        await self.step()

    async def step(self) -> None:
        """Write what is open and not there yet, remove what has ended.

        Raises:
            RedisUnavailable: not everything was written; the next step does it.
            StoreUnavailable: the rows cannot be read.
        """
        returns = self._returns
        now_ms = to_ms(self._clock.now())
        since_ms = now_ms - self._ttl_seconds * 1000
        wanted = await self._db.read(lambda conn: open_requests(conn, since_ms))
        if returns == self._served_returns:
            fresh = [name for name in wanted if name not in self._written]
        else:
            fresh = list(wanted)
        for first in range(0, len(fresh), _AT_ONCE):
            names = fresh[first : first + _AT_ONCE]
            await self._pool.setex_many([self._item(name, *wanted[name], now_ms) for name in names])
            self._written.update(names)
        ended = self._written - wanted.keys()
        await self._pool.delete(*map(state_key, ended))
        self._written -= ended
        self._served_returns = returns

    async def find(self, request_id: str) -> Pending | None:
        """Return the state of this request, whoever wrote it; None when there is none.

        Raises:
            RedisUnavailable: nobody can tell just now.
        """
        value = await self._pool.get(state_key(request_id))
        return None if value is None else decode_pending(value)

    async def forget(self, request_id: str) -> None:
        """Remove the state of a request whose answer is stored; if that fails, it runs out by itself."""
        with suppress(RedisUnavailable):
            await self._pool.delete(state_key(request_id))

    def _item(self, name: str, state: Pending, at_ms: int, now_ms: int) -> tuple[str, int, bytes]:
        """Return what is written: key, what is left of its life in seconds, value."""
        age = max(0, now_ms - at_ms) // 1000
        return state_key(name), max(1, self._ttl_seconds - age), encode_pending(state)

    def _note_return(self) -> None:
        self._returns += 1


def open_requests(conn: Connection, since_ms: int) -> Mapping[str, tuple[Pending, int]]:
    """Return what was asked since then and is open, with its time, by each id that a callback may name."""
    found = {}
    for request_id, errand, chat_id, message_id, prompt, queued_at in _OPEN.rows(conn, since_ms=since_ms):
        state = Pending(int(chat_id), message_id, prompt, moment(queued_at))
        for name in {request_id, errand} - {None}:
            found[name] = (state, queued_at)
    return found
