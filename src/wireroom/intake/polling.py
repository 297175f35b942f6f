"""Long polling, for installations without a public address.

The offset moves on only with the commit that stores the updates before it, so a crash fetches them again and
deduplication drops what was stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import msgspec
import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.errors import BadInput, StoreUnavailable, TelegramError
from wireroom.intake.accept import (
    Accepted,
    Receipt,
    accept_updates,
    advance_offset,
    last_receipt,
    next_offset,
)
from wireroom.intake.update import Incoming, read_update
from wireroom.jobs.port import Jobs
from wireroom.perf import traces
from wireroom.perf.metrics import UPDATES
from wireroom.store.database import Database, after_commit
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import Conflict, FloodWait, Unauthorized
from wireroom.telegram.methods import GetUpdates

ALLOWED_UPDATES = ["message", "edited_message", "callback_query", "stopped_message_generation"]
"""The kinds we ask Telegram for, by polling and by webhook alike."""

_log = structlog.get_logger(__name__)
_FIRST_WAIT_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 30.0
_LARGEST_EXPONENT = 62
_CONFLICT_WAIT_SECONDS = 10.0
_OFFSET_LIFETIME_MS = 6 * 24 * 60 * 60 * 1000  # a day less than Telegram's week

CONFLICT_REMEDY = (
    "A webhook is set for this bot, so Telegram gives no updates to polling. Either set "
    "TELEGRAM_WEBHOOK_BASE_URL here, or remove the webhook: wireroom telegram delete-webhook"
)
UNKNOWN_TOKEN = "Telegram does not know the bot's token (any more). Copy it from @BotFather."  # noqa: S105 - words, not a secret
SECOND_POLLER_REMEDY = "Another program fetches this bot's updates. Stop it, or give each its own bot."


class Poller:
    """Fetches updates and stores them."""

    def __init__(
        self,
        client: TelegramClient,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        *,
        timeout: timedelta = timedelta(seconds=50),
        conflict_remedy: str = CONFLICT_REMEDY,
    ) -> None:
        """Poll one bot; `timeout` is how long Telegram may hold a request open."""
        self._conflict_remedy = conflict_remedy
        self._client = client
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._timeout = int(timeout.total_seconds())
        self._fetched_ms = 0
        self.problem: str | None = None
        """What keeps updates from coming, in plain words; None while all is well."""

    async def run(self) -> None:
        """Poll until cancelled, waiting longer after each failure in a row."""
        try:
            await self._poll_for_ever()
        finally:
            self.problem = None

    async def _poll_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                # After a failure the next answer shall come at once: then the problem is known to be over.
                await self._poll_once(0 if failures else self._timeout)
                self.problem, failures = None, 0
            except Exception as error:  # noqa: BLE001 - the task's top: nothing may end the whole service
                failures += 1
                if not isinstance(error, TelegramError | StoreUnavailable):
                    _log.error("polling_broke", exc_info=error)
                wait = self._wait_after(error, failures)
                _log.warning("polling_failed", reason=self.problem, retry_seconds=wait)
                await asyncio.sleep(wait)

    async def _poll_once(self, timeout_seconds: int) -> None:
        offset = await self._db.read(self._offset)
        fetched = await self._client.call(
            GetUpdates(timeout=timeout_seconds, allowed_updates=ALLOWED_UPDATES, offset=offset)
        )
        if fetched:
            await self._db.write(lambda conn: self._store(conn, fetched))
            self._fetched_ms = to_ms(self._clock.now())

    def _offset(self, conn: Connection) -> int | None:
        """Return what to confirm and continue from; nothing when long ago.

        After a week of silence Telegram may go on with a lower id, which an old offset would discard unseen.
        Without one it gives all that is unconfirmed; what was stored before is recognised.
        Source: Telegram Bot API, Update (update_id) and getUpdates (offset).
        """
        now_ms = to_ms(self._clock.now())
        stored_ms = last_receipt(conn, self._client.bot_id)
        # What this process fetched counts, too: a repetition alone would else never be confirmed.
        came_ms = now_ms if stored_ms is None else max(stored_ms, self._fetched_ms)
        return None if now_ms - came_ms > _OFFSET_LIFETIME_MS else next_offset(conn, self._client.bot_id)

    def _store(self, conn: Connection, fetched: Sequence[msgspec.Raw]) -> None:
        now_ms = to_ms(self._clock.now())
        bot_id = self._client.bot_id
        receipts = [
            Receipt(incoming, bytes(raw).decode(errors="replace"))
            for raw in fetched
            if (incoming := _readable(raw)) is not None
        ]
        answers = accept_updates(conn, self._jobs, receipts, bot_id=bot_id, now_ms=now_ms)
        for receipt, accepted in zip(receipts, answers, strict=True):
            UPDATES.labels("durable" if accepted is Accepted.DURABLE else "duplicate").inc()
            if traces.is_tracing() and accepted is Accepted.DURABLE:
                own = traces.carrier_of(traces.origin_of_update(bot_id, receipt.incoming.update_id))
                after_commit(conn, partial(traces.note, "polling", own=own))
        if receipts:
            advance_offset(conn, bot_id, max(receipt.incoming.update_id for receipt in receipts) + 1)

    def _wait_after(self, error: Exception, failures: int) -> float:
        self.problem = str(error)
        if isinstance(error, Conflict):
            self.problem = self._conflict_remedy if error.webhook_active else SECOND_POLLER_REMEDY
            return _CONFLICT_WAIT_SECONDS
        if isinstance(error, FloodWait):
            return float(error.retry_after_seconds)
        if isinstance(error, Unauthorized):
            self.problem = UNKNOWN_TOKEN
        growth = 2.0 ** min(failures - 1, _LARGEST_EXPONENT)
        return min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * growth)


def _readable(raw: msgspec.Raw) -> Incoming | None:
    try:
        return read_update(bytes(raw))
    except BadInput as error:
        _log.error("polled_update_unreadable", reason=str(error))
        return None
