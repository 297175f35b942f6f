"""Reads what a chat spends, and refuses requests that its daily budget has no room for."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection

from wireroom.backends.abilities import ability_of
from wireroom.clock import from_ms, to_ms
from wireroom.conversations.chat_settings import ChatSettings, change_chat_settings, read_chat_settings
from wireroom.conversations.threads import find_current
from wireroom.delivery.hours import read_zone, start_of_day
from wireroom.delivery.outbox import Button
from wireroom.intake.accept import UpdateState, close_update, reopen_update
from wireroom.intake.allowance import Day, day_of, is_used_up, raised_limit, used_up_words
from wireroom.intake.reply import Reply
from wireroom.jobs.port import Jobs
from wireroom.runs.budget import Budget, Prices, unpriced
from wireroom.store.statement import Statement

RAISE = "raise"
"""The action of the button below a refusal."""
_REASON = "the chat's budget of the day has no room for it"
_LIFT = (
    "Choose another model or agent, or lift the budget of this chat by `/budget default`, and send it again."
)

_USAGES = Statement("""
    SELECT usage FROM runs
    WHERE lane = :lane AND queued_at >= :since_ms AND finished_at IS NOT NULL AND started_at IS NOT NULL
""")
"""What each request of the lane since then has used, of those that an agent worked on and are over."""

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Spending:
    """The money of all chats."""

    jobs: Jobs
    zone: str
    """Where a day begins if a chat has not said."""
    prices: Prices
    backend: str
    """The installation's coding agent."""
    model: str | None = None
    """The model that the installation asks for."""

    def today(self, conn: Connection, lane: str, chosen: ChatSettings, now_ms: int) -> Day:
        """Return the chat's day so far."""
        zone, now = read_zone(chosen.zone or self.zone), from_ms(now_ms)
        rows = _USAGES.rows(conn, lane=lane, since_ms=to_ms(start_of_day(zone, now)))
        usages = [_decode(row[0]) if row[0] else None for row in rows]
        return day_of(now.astimezone(zone).date().isoformat(), usages)

    def backend_of(self, conn: Connection, lane: str, chosen: ChatSettings) -> str:
        """Return the coding agent that the chat's next request goes to."""
        current = find_current(conn, lane)
        return (current.backend if current else chosen.backend) or self.backend

    def why_unpriced(self, chosen: ChatSettings, backend: str) -> str | None:
        """Return why a limit of money cannot be kept with the back end, None when it can."""
        if ability_of(backend).is_free:
            return None
        model = chosen.models.get(backend) or self.model
        return unpriced(Budget(usd=1.0), self.prices, [(model, backend)])

    def refusal(self, conn: Connection, lane: str, now_ms: int, *, row_id: int = 0) -> Reply | None:
        """Return what is said instead of taking a request, None when it is taken.

        Args:
            conn: The unit's.
            lane: The chat.
            now_ms: The time.
            row_id: The stored update that asks, which is closed as refused and taken up again by the button;
                0: there is none to come back to.
        """
        chosen = read_chat_settings(conn, lane)
        if chosen.day_usd is None:
            return None
        day = self.today(conn, lane, chosen, now_ms)
        reason = self.why_unpriced(chosen, self.backend_of(conn, lane, chosen))
        if reason is None and not is_used_up(chosen, day):
            return None
        if row_id:
            close_update(conn, row_id, UpdateState.REFUSED, _REASON, now_ms)
        if reason is not None:
            return Reply(f"💸 {reason} {_LIFT}")
        limit = raised_limit(chosen, day)
        button = Button(f"Raise it to ${limit:g} for today", f"w:{RAISE}:{limit:g}/{day.date}/{row_id}")
        return Reply(used_up_words(chosen, day), (button,))

    def raise_for_today(self, conn: Connection, lane: str, ref: str, now_ms: int) -> str:
        """Do what the button says, and take up the request that waits for it; return what to say.

        However often it is pressed, the limit is what the button says, and the request is taken up once.
        """
        limit_text, date, row_text = [*ref.split("/"), "", ""][:3]
        chosen = read_chat_settings(conn, lane)
        if date != self.today(conn, lane, chosen, now_ms).date:
            return "That day is over."
        try:
            limit, row_id = float(limit_text), int(row_text)
        except ValueError:
            return "This button is from another release."
        change_chat_settings(conn, lane, now_ms, raised_usd=limit, raised_on=date)
        taken_up = reopen_update(conn, self.jobs, row_id, lane, reason=_REASON)
        return "Raised. Your request is taken up." if taken_up else "Raised for today."
