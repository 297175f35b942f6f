"""Removes what stands in a chat beside an answer: placeholders that were lost, and those that were replaced.

Steps of the sender, which lends its call and its fenced write. What cannot be removed stays: it is a
placeholder, never an answer, and no answer waits for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy import Connection

from wireroom.delivery.lost import Caller, lost_candidates, note_search, remove_lost
from wireroom.delivery.outgoing import Outgoing, StoredPart, note_failure
from wireroom.delivery.permits import Permits
from wireroom.delivery.plan import Remove, Search
from wireroom.delivery.takeover import note_removed
from wireroom.jobs.port import Outcome, RunAgainAt
from wireroom.store.database import Database
from wireroom.telegram.errors import BotAPIError, FloodWait, Rejected
from wireroom.telegram.methods import DeleteMessage

Write = Callable[[int, Callable[[Connection, int], object]], Awaitable[None]]
"""Writes a unit for a delivery, as long as its job is ours."""
_TRIES = 6
_log = structlog.get_logger(__name__)


class Leftovers:
    """Removes them for one bot."""

    def __init__(self, db: Database, permits: Permits, call: Caller, write: Write) -> None:
        """Keep the sender's hands."""
        self._db = db
        self._permits = permits
        self._call = call
        self._write = write

    async def clear(self, out: Outgoing, step: Search | Remove) -> Outcome | None:
        """Do the step; None when the next one may follow."""
        if isinstance(step, Search):
            return await self._search(out, step)
        return await self._remove(out, out.parts[step.seq])

    async def _search(self, out: Outgoing, step: Search) -> Outcome | None:
        """Delete the placeholders of the part that were lost."""
        candidates = await self._db.read(lambda conn: lost_candidates(conn, out, step))
        until = await self._permits.ask(out.chat_id, "edit") if candidates else None
        if until is not None:
            return RunAgainAt(until)
        try:
            removed = await remove_lost(self._call, out.chat_id, candidates)
        except BotAPIError as error:
            # Once is enough: what stays is a "…", and a search that begins anew would never get further.
            if isinstance(error, FloodWait):
                await self._permits.flood(out.chat_id, error.retry_after_seconds)
            _log.warning("lost_placeholder_stays", delivery=out.id, reason=str(error))
        else:
            _log.info("lost_placeholders_removed", delivery=out.id, count=len(removed))
        await self._write(out.id, lambda conn, _: note_search(conn, out.id, step.seq, thorough=step.thorough))
        return None

    async def _remove(self, out: Outgoing, part: StoredPart) -> Outcome | None:
        """Delete the placeholder that the part's message has replaced.

        It asks for no permit: Telegram's limits are on messages, and there is one such call in a run.
        """
        try:
            await self._call(DeleteMessage(chat_id=out.chat_id, message_id=part.replaces or 0))
        except FloodWait as error:
            return RunAgainAt(await self._permits.flood(out.chat_id, error.retry_after_seconds))
        except BotAPIError as error:
            if not isinstance(error, Rejected) and out.attempts < _TRIES:
                reason = str(error)
                await self._write(out.id, lambda conn, _: note_failure(conn, out.id, reason))
                return RunAgainAt(self._permits.in_seconds(2.0**out.attempts))
            # Somebody deleted it, or nobody can: it is older than 48 hours, or Telegram is away for long.
            _log.info("replaced_placeholder_stays", delivery=out.id, reason=str(error))
        await self._write(out.id, lambda conn, _: note_removed(conn, out.id, part.seq))
        return None
