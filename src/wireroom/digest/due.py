"""When a chat's digest is due, and its way out: once for each time, whatever crashes and however many look.

The row of `chat_settings` holds the next time. Whoever moves it on sends the digest, in the same commit; a
time that came while nothing ran is told of late, and times missed in a row are told of together.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, from_ms, to_ms
from wireroom.conversations.chat_settings import ChatSettings, read_chat_settings
from wireroom.delivery.hours import next_daily, read_time, read_zone
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.quiet import send_unasked
from wireroom.digest.gather import gather
from wireroom.digest.words import digest_words
from wireroom.errors import BadInput
from wireroom.jobs.port import Jobs
from wireroom.store.chore import repeat
from wireroom.store.database import Database
from wireroom.store.statement import Statement

_LOOK_SECONDS = 5.0
_AT_ONCE = 50
_DAY = timedelta(days=1)
_LONGEST = timedelta(days=7)
"""What a digest tells of at most."""
_log = structlog.get_logger(__name__)

_DUE = Statement("""
    SELECT lane, digest_due_at FROM chat_settings WHERE digest_due_at <= :now_ms
    ORDER BY digest_due_at LIMIT :limit
""")
"""Chats whose digest is due."""

_TAKE = Statement("""
    UPDATE chat_settings SET digest_due_at = :next_ms WHERE lane = :lane AND digest_due_at = :due_ms
    RETURNING digest_told_at
""")
"""Move a chat's digest on from the time that is due; finds nothing when another has."""

_NOTE_TOLD = Statement("UPDATE chat_settings SET digest_told_at = :until_ms WHERE lane = :lane")
"""Note up to when the digest told."""

_PLAN = Statement("""
    UPDATE chat_settings SET digest_due_at = :due_ms,
        digest_told_at = CASE WHEN digest_due_at IS NULL THEN NULL ELSE digest_told_at END
    WHERE lane = :lane
""")
"""Say when the next digest is due; one that begins anew tells of its first day alone."""

_TOLD = Statement("SELECT digest_told_at FROM chat_settings WHERE lane = :lane")
"""Up to when the last digest told."""


def next_digest(chosen: ChatSettings, zone: str, after: datetime) -> datetime | None:
    """Return when the chat's next digest is due, None when it wants none. Pure.

    Raises:
        BadInput: the time or the zone cannot be read.
    """
    if chosen.digest_at is None:
        return None
    return next_daily(read_time(chosen.digest_at), read_zone(chosen.zone or zone), after)


def plan_digest(conn: Connection, lane: str, chosen: ChatSettings, zone: str, now: datetime) -> None:
    """Have the digest sent as the choices say; for a unit that has changed them."""
    due = next_digest(chosen, zone, now)
    _PLAN.run(conn, lane=lane, due_ms=None if due is None else to_ms(due))


def since_last(told_ms: int | None, due: datetime, until: datetime) -> datetime:
    """Return from when a digest tells: the last one's end, but at most a week. Pure.

    Args:
        told_ms: Up to when the last one told; None for the first, which tells of the day before it is due.
        due: When it is due.
        until: Up to when it tells: later than `due` if nothing ran then.
    """
    told = due - _DAY if told_ms is None else from_ms(told_ms)
    return max(told, until - _LONGEST)


def digest_now(conn: Connection, lane: str, zone: str, now: datetime) -> str:
    """Return the digest since the last one; the next one tells of it all the same."""
    chosen = read_chat_settings(conn, lane)
    since = since_last(_TOLD.value(conn, lane=lane), now, now)
    return digest_words(gather(conn, lane, since, now), read_zone(chosen.zone or zone))


def send_digest(conn: Connection, jobs: Jobs, lane: str, *, due_ms: int, now: datetime, zone: str) -> bool:
    """Send the digest that was due then, and plan the next.

    Returns:
        False when another has, or there is nothing to tell.
    """
    chosen = read_chat_settings(conn, lane)
    following = next_digest(chosen, zone, now)
    row = _TAKE.row(conn, lane=lane, due_ms=due_ms, next_ms=None if following is None else to_ms(following))
    if row is None or following is None:
        return False
    figures = gather(conn, lane, since_last(row[0], from_ms(due_ms), now), now)
    _NOTE_TOLD.run(conn, lane=lane, until_ms=to_ms(now))
    if figures.is_empty and not chosen.digest_always:
        return False
    body = digest_words(figures, read_zone(chosen.zone or zone))
    send_unasked(conn, jobs, recipient_of(lane), body, now_ms=to_ms(now), zone=zone)
    return True


def recipient_of(lane: str) -> Recipient:
    """Return where messages of a Telegram lane go. Pure."""
    _, bot_id, chat_id, thread_id = lane.split(":")
    return Recipient(lane, int(bot_id), int(chat_id), int(thread_id) or None)


class Digests:
    """Looks for digests that are due, on the process that leads."""

    def __init__(self, db: Database, jobs: Jobs, clock: Clock, zone: str) -> None:
        """Keep the neighbours; `zone` is the clock of chats that have not said."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._zone = zone

    async def run(self) -> None:
        """Look now and then, until cancelled."""
        await repeat("digests", self.look, _LOOK_SECONDS)

    async def look(self) -> int:
        """Send what is due, each in a commit of its own; return how many were sent."""
        now = self._clock.now()
        due = await self._db.read(partial(_due, now_ms=to_ms(now)))
        sent = 0
        for lane, due_ms in due:
            try:
                sent += await self._db.write(partial(self._send, lane=lane, due_ms=due_ms, now=now))
            except BadInput as error:
                _log.error("digest_unreadable", lane=lane, reason=str(error))
        if sent:
            _log.info("digests_sent", count=sent)
        return sent

    def _send(self, conn: Connection, lane: str, due_ms: int, now: datetime) -> bool:
        return send_digest(conn, self._jobs, lane, due_ms=due_ms, now=now, zone=self._zone)


def _due(conn: Connection, now_ms: int) -> Sequence[tuple[str, int]]:
    return [(str(lane), int(due_ms)) for lane, due_ms in _DUE.rows(conn, now_ms=now_ms, limit=_AT_ONCE)]
