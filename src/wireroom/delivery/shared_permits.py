"""Permits that all processes of a bot share, in PostgreSQL: together they keep the limits of one.

The rules are `delivery.lanes`, asked under the lock of the bot's row and by the database's clock, so a
machine whose clock is off changes nothing. Questions that come together share a transaction. What the last
one saw is kept for glances, which decide nothing: whether it is worth while to begin another delivery.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil

import msgspec
import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, from_ms
from wireroom.delivery.lanes import BotClock, ChatClock, Kind, LaneRules, Lanes
from wireroom.errors import StoreUnavailable
from wireroom.store.batches import Batches
from wireroom.store.database import Database
from wireroom.store.lane_rows import ChatRow, LaneRows, lock_lanes, write_lanes

_log = structlog.get_logger(__name__)
_CALL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Ask:
    chat_id: int
    kind: Kind
    number: int | None


@dataclass(frozen=True, slots=True)
class _Settle:
    chat_id: int


@dataclass(frozen=True, slots=True)
class _Flood:
    chat_id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _StandBack:
    chat_id: int
    number: int
    seconds: float


_Question = _Ask | _Settle | _Flood | _StandBack


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last transaction left."""

    lanes: Lanes
    offset_seconds: float
    """From our steady clock to the lanes' clock."""
    ahead_seconds: float
    """From the database's clock to the lanes' clock."""


class SharedPermits:
    """Permits for one bot, for as many processes as there are; see `permits.Permits`."""

    def __init__(self, db: Database, bot_id: int, rules: LaneRules, clock: Clock) -> None:
        """Share the lanes of this bot; nothing is asked yet."""
        self._db = db
        self._bot_id = bot_id
        self._rules = replace(rules, call_seconds=_CALL_SECONDS)
        self._clock = clock
        self._batches: Batches[_Question, datetime | None] = Batches(self._answer, name="send lanes")
        self._seen: _Seen | None = None

    async def ask(self, chat_id: int, kind: Kind, number: int | None = None) -> datetime | None:
        """Take the permit; see `Permits.ask`."""
        return await self._batches.ask(_Ask(chat_id, kind, number))

    async def stand_back(self, chat_id: int, number: int, seconds: float) -> datetime:
        """Keep the message's place for all processes; see `Permits.stand_back`."""
        until = await self._batches.ask(_StandBack(chat_id, number, seconds))
        return until or self.in_seconds(seconds)

    async def settle(self, chat_id: int) -> None:
        """Note that the send has ended; a database that cannot be asked finds it out by itself, later."""
        try:
            await self._batches.ask(_Settle(chat_id))
        except StoreUnavailable as error:
            _log.warning("send_not_settled", chat_id=chat_id, reason=str(error))

    async def flood(self, chat_id: int, retry_after: float) -> datetime:
        """Close the chat for all processes; see `Permits.flood`."""
        try:
            until = await self._batches.ask(_Flood(chat_id, retry_after))
        except StoreUnavailable as error:
            # Whoever else calls the chat is refused as well, and tells the others then.
            _log.warning("flood_not_shared", chat_id=chat_id, reason=str(error))
            until = None
        return until or self.in_seconds(retry_after)

    def overall_hold(self) -> datetime | None:
        """Return None: the turns are given by chat, under the lock, so that a chat's order stays."""
        return None

    def in_seconds(self, seconds: float) -> datetime:
        """Return the time by the database's clock, as far as it is known; see `Permits.in_seconds`."""
        delay = timedelta(seconds=seconds)
        if self._seen is None:
            return self._clock.now() + delay
        now = self._lane_now(self._seen) - self._seen.ahead_seconds
        return from_ms(ceil(now * 1000)) + delay

    def seconds_to_permits(self, count: int) -> float:
        """Return how long there seem to be fewer permits; see `Permits.seconds_to_permits`."""
        seen = self._seen
        return 0.0 if seen is None else seen.lanes.seconds_to_permits(self._lane_now(seen), count)

    def permits(self) -> int:
        """Return how many permits there seem to be; see `Permits.permits`."""
        seen = self._seen
        return self._rules.overall_limit if seen is None else seen.lanes.permits(self._lane_now(seen))

    def _lane_now(self, seen: _Seen) -> float:
        return self._clock.monotonic() + seen.offset_seconds

    async def _answer(self, questions: Sequence[_Question]) -> Sequence[datetime | None]:
        answers, seen = await self._db.write(lambda conn: self._decide(conn, questions))
        self._seen = seen
        return answers

    def _decide(
        self, conn: Connection, questions: Sequence[_Question]
    ) -> tuple[Sequence[datetime | None], _Seen]:
        chat_ids = sorted({question.chat_id for question in questions})
        is_durable = any(isinstance(question, _Flood) for question in questions)
        rows = lock_lanes(conn, self._bot_id, chat_ids, is_durable=is_durable)
        now = rows.now_ms / 1000
        lanes = _lanes(self._rules, rows)
        answers = [_answer_one(lanes, now, rows.ahead_ms, question) for question in questions]
        chats = [_chat_row(lanes, chat_id) for chat_id in chat_ids if chat_id in lanes.chats]
        write_lanes(conn, self._bot_id, rows, _bot_state(self._rules, lanes.bot, now), chats)
        return answers, _Seen(lanes, now - self._clock.monotonic(), rows.ahead_ms / 1000)


def _lanes(rules: LaneRules, rows: LaneRows) -> Lanes:
    bot = msgspec.json.decode(rows.bot, type=BotClock)
    chats = {chat_id: msgspec.json.decode(state, type=ChatClock) for chat_id, state in rows.chats.items()}
    return Lanes(rules, bot=bot, chats=chats)


def _answer_one(lanes: Lanes, now: float, ahead_ms: int, question: _Question) -> datetime | None:
    """Answer by the lanes; a time is of the database's clock."""
    match question:
        case _Ask(chat_id, kind, number):
            wait = lanes.ask(now, chat_id, kind, number)
        case _Flood(chat_id, wait):
            lanes.flood(now, chat_id, wait)
        case _StandBack(chat_id, number, wait):
            lanes.stand_back(now, chat_id, number, wait)
        case _Settle(chat_id):
            lanes.settle(now, chat_id)
            return None
    return from_ms(ceil((now + wait) * 1000) - ahead_ms) if wait > 0 else None


def _bot_state(rules: LaneRules, bot: BotClock, now: float) -> str:
    """Return the bot's clock as it is stored, without the calls that do not count any more."""
    calls = [at for at in bot.calls if at + rules.overall_window_seconds > now]
    return msgspec.json.encode(msgspec.structs.replace(bot, calls=calls)).decode()


def _chat_row(lanes: Lanes, chat_id: int) -> ChatRow:
    state = msgspec.json.encode(lanes.chats[chat_id]).decode()
    return ChatRow(chat_id, state, ceil(lanes.idle_at(chat_id) * 1000))
