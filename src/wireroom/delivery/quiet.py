"""Leaves a chat alone in its quiet hours: what nobody asked for waits, all else comes without a sound."""

from __future__ import annotations

from typing import Any

import structlog
from msgspec import structs
from sqlalchemy import Connection

from wireroom.clock import Clock, from_ms
from wireroom.conversations.chat_settings import ChatSettings, read_chat_settings
from wireroom.delivery.hours import QuietHours, read_hours, read_zone
from wireroom.delivery.outbox import Recipient, send_notice
from wireroom.errors import BadInput, StoreUnavailable
from wireroom.jobs.port import Jobs
from wireroom.store.database import Database
from wireroom.telegram.methods import Method

_log = structlog.get_logger(__name__)


def quiet_hours_of(chosen: ChatSettings, zone: str) -> QuietHours | None:
    """Return the hours that a chat has chosen, None without any. Pure.

    Args:
        chosen: Its choices; hours that this release cannot read are none.
        zone: Where they are read if the chat has not said.
    """
    if chosen.quiet is None:
        return None
    try:
        return read_hours(chosen.quiet, read_zone(chosen.zone or zone))
    except BadInput:
        return None


def send_unasked(
    conn: Connection,
    jobs: Jobs,
    to: Recipient,
    body: str,
    *,
    now_ms: int,
    zone: str,
    usual: QuietHours | None = None,
) -> int:
    """Add a message that nobody has just asked for: now, or when the chat's quiet hours end. Returns its id.

    It is stored in either case, with its job, so that it is neither lost nor sent twice. What waits already
    keeps its time when the hours are changed.

    Args:
        conn: The caller's unit.
        jobs: Where its delivery is queued.
        to: Who is told.
        body: Markdown.
        now_ms: The time.
        zone: Where the chat's hours are read if it has not said.
        usual: The hours of a chat that has chosen none.
    """
    quiet = quiet_hours_of(read_chat_settings(conn, to.lane), zone) or usual
    over_at = None if quiet is None else quiet.over_at(from_ms(now_ms))
    return send_notice(conn, jobs, to, body, now_ms=now_ms, not_before=over_at)


class Hush:
    """Takes the sound from what is sent in quiet hours."""

    def __init__(self, db: Database, clock: Clock, zone: str) -> None:
        """Keep the neighbours; `zone` is where hours are read if a chat has not said."""
        self._db = db
        self._clock = clock
        self._zone = zone

    async def __call__(self, request: Method[Any], bot_id: int) -> Method[Any]:
        """Return the request as it is to be sent now; one that makes no sound stays as it is."""
        if getattr(request, "disable_notification", None) is not False:
            return request
        chat_id, thread_id = getattr(request, "chat_id", 0), getattr(request, "message_thread_id", None)
        lane = f"telegram:{bot_id}:{chat_id}:{thread_id or 0}"
        try:
            chosen = await self._db.read(lambda conn: read_chat_settings(conn, lane))
        except StoreUnavailable as error:
            _log.warning("quiet_hours_not_read", reason=str(error))
            return request
        quiet = quiet_hours_of(chosen, self._zone)
        if quiet is None or quiet.over_at(self._clock.now()) is None:
            return request
        return structs.replace(request, disable_notification=True)
