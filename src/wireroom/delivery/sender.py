"""Moves deliveries on: the handler of jobs of kind `deliver`.

It does the steps that `delivery.plan` names, each at the pace of `delivery.permits`, and has each noted by
`delivery.records` before the next. It never sleeps: a chat that must wait gives its job back until then, so
no other chat is held up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from wireroom.clock import Clock, from_ms
from wireroom.delivery.calls import Calls
from wireroom.delivery.contents import contents_of, plain_contents
from wireroom.delivery.left_file import refused_as_photo, why_not
from wireroom.delivery.leftovers import Leftovers
from wireroom.delivery.outbox import DeliveryState
from wireroom.delivery.outgoing import Outgoing, StoredPart, load_outgoing, store_parts
from wireroom.delivery.parts import FilePart, RichPart, VoicePart
from wireroom.delivery.permits import Permits
from wireroom.delivery.plan import (
    Complete,
    Fill,
    LeaveOut,
    PartState,
    Place,
    Remove,
    Render,
    Search,
    Speak,
    Wait,
    next_step,
)
from wireroom.delivery.quiet import Hush
from wireroom.delivery.reaction import (
    Call,
    GiveUp,
    Later,
    LeaveTopic,
    MoveChat,
    PlaceAgain,
    SendPlain,
    Shown,
    react,
    refuses_rich,
)
from wireroom.delivery.records import Records
from wireroom.delivery.requests import content_edit, placeholder, voice_message
from wireroom.delivery.spots import rich_choice
from wireroom.delivery.strays import Strays
from wireroom.delivery.voices import react_to_silence
from wireroom.errors import LeaseLost, StoreLost
from wireroom.jobs.port import Done, Job, Jobs, Outcome, RunAgainAt
from wireroom.store.database import Database
from wireroom.store.patience import patiently
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import BotAPIError, Uncertain
from wireroom.telegram.methods import DeleteMessage, Method
from wireroom.telegram.types import Message

_log = structlog.get_logger(__name__)
_ELSEWHERE = timedelta(minutes=2)
"""How long a file that is not on this machine's disk is left to another machine, which may have it."""
_ELSEWHERE_SECONDS = 2.0
_IN_DOUBT = "the voice message may have been sent; it is not sent twice"
_PLACING = 8
"""Placeholders on their way at once: what a crash may leave in chats; at 250 ms each still 30 a second."""


@dataclass(frozen=True, slots=True)
class SenderPolicy:
    """How persistent the sender is."""

    max_attempts: int = 12
    """Tries of one delivery on errors that may pass."""
    max_text_parts: int = 4
    """Longer answers come as an excerpt and a file."""
    max_crashes: int = 5
    """Starts of a delivery's job that may end in an unexpected error."""
    zone: str = "UTC"
    """Where quiet hours are read if a chat has not said."""


class Sender:
    """Sends what the outbox holds for one bot."""

    def __init__(
        self,
        *,
        client: TelegramClient,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        permits: Permits,
        strays: Strays,
        policy: SenderPolicy,
        draw: Callable[[], float],
    ) -> None:
        """Keep the neighbours; `draw` gives random numbers in [0, 1) for the jitter of retries."""
        self._db = db
        self._clock = clock
        self._permits = permits
        self._strays = strays
        self._policy = policy
        self._draw = draw
        self._call = Calls(client, Hush(db, clock, policy.zone))
        self._records = Records(db, jobs, clock)
        self._placing = asyncio.Semaphore(_PLACING)
        self._leftovers = Leftovers(db, permits, self._call, self._records.write)

    async def handle(self, job: Job) -> Outcome:
        """Move the delivery on as far as it goes now; see `jobs.port.Handler`.

        An error that nobody foresaw, again and again, makes it a dead letter: listed, and free to be retried.
        """
        if (until := self._permits.overall_hold()) is not None:
            return RunAgainAt(until)
        self._records.claim(job)
        try:
            return await patiently(lambda: self._move_on(job), what=f"delivery {job.ref}")
        except (LeaseLost, StoreLost):
            raise
        except Exception as error:
            if job.attempt < self._policy.max_crashes:
                raise
            _log.exception("delivery_failed", delivery=job.ref, attempts=job.attempt)
            return await self._give_up(job, f"{type(error).__name__}: {error}"[:500])

    async def _move_on(self, job: Job) -> Outcome:
        while True:
            out = await self._db.read(lambda conn: load_outgoing(conn, int(job.ref)))
            if out is None:
                return Done()
            step = next_step(out.view, has_body=out.body is not None)
            match step:
                case Wait():
                    return Done()
                case Complete():
                    await self._records.shown(job, out)
                    return Done()
                case Render():
                    await self._render(out)
                case Search() | Remove():
                    if (outcome := await self._leftovers.clear(out, step)) is not None:
                        return outcome
                case Place() | Fill() | Speak() | LeaveOut():
                    if (outcome := await self._paced(job, out, step)) is not None:
                        return outcome

    async def _paced(self, job: Job, out: Outgoing, step: Place | Fill | Speak | LeaveOut) -> Outcome | None:
        """Do the step if the lane lets us; None when the next step may follow."""
        if isinstance(step, LeaveOut):
            return await self._give_up(job, _IN_DOUBT, DeliveryState.DISCARDED)
        if isinstance(step, Speak):
            until = await self._permits.ask(out.chat_id, "send", out.id)
            return RunAgainAt(until) if until else await self._speak(job, out, out.parts[step.seq])
        if isinstance(step, Place):
            if await self._records.stays(out, step.seq):
                return None
            async with self._placing:
                until = await self._permits.ask(out.chat_id, "send", out.id)
                return RunAgainAt(until) if until else await self._place(job, out, step)
        until = await self._permits.ask(out.chat_id, "edit")
        return RunAgainAt(until) if until else await self._fill(job, out, out.parts[step.seq])

    async def _place(self, job: Job, out: Outgoing, step: Place) -> Outcome | None:
        try:
            message = await self._send(out, step.seq, placeholder(out, step.seq))
        except BotAPIError as error:
            return await self._failed(job, out, step.seq, error, Call.PLACE)
        try:
            await self._records.mark(out, step.seq, PartState.PLACED, message_id=message.message_id)
        except LeaseLost:
            # Another sends the delivery by now, in a message of its own.
            with suppress(BotAPIError):
                await self._call(DeleteMessage(chat_id=out.chat_id, message_id=message.message_id))
            raise
        return None

    async def _send(self, out: Outgoing, seq: int, request: Method[Message]) -> Message:
        """Send a part's message, noted before as one that may be in the chat."""
        await self._records.sending(out, seq)
        try:
            message: Message = await self._call(request)
        except BotAPIError as error:
            if not isinstance(error, Uncertain):
                await self._permits.settle(out.chat_id)
            raise
        await self._permits.settle(out.chat_id)
        self._records.seen(out, message.message_id)
        return message

    async def _fill(
        self, job: Job, out: Outgoing, part: StoredPart, *, plain: bool = False
    ) -> Outcome | None:
        if isinstance(part.content, FilePart) and (why := await asyncio.to_thread(why_not, part.content)):
            return await self._missing(job, out, why)
        try:
            await self._call(content_edit(out, part, plain=plain))
        except BotAPIError as error:
            if isinstance(part.content, RichPart) and refuses_rich(error):
                _log.info("rich_message_refused", delivery=out.id, reason=str(error))
                await self._render(out, plain=True)
                return None
            if not plain and refused_as_photo(part.content, error):
                return await self._fill(job, out, part, plain=True)
            return await self._failed(job, out, part.seq, error, Call.FILL, plain=plain)
        if part.seq == 0 and (seconds := self._strays.take(out.run_id, self._clock.monotonic())) > 0:
            return self._again_in(seconds)
        await self._records.mark(out, part.seq, PartState.SENT)
        return None

    async def _missing(self, job: Job, out: Outgoing, why: str) -> Outcome:
        """Leave a file that is not here to another machine, for a while."""
        if self._clock.now() - from_ms(out.created_at) < _ELSEWHERE:
            return self._again_in(_ELSEWHERE_SECONDS)
        return await self._give_up(job, why)

    async def _speak(self, job: Job, out: Outgoing, part: StoredPart) -> Outcome | None:
        """Send a voice message by the one call that it has; what went wrong with it never costs the text."""
        if not isinstance(part.content, VoicePart):
            raise TypeError("a voice message has its sound from the start")
        try:
            message = await self._send(out, part.seq, voice_message(out, part.content))
        except BotAPIError as error:
            reaction = react_to_silence(error, attempts=out.attempts)
            if isinstance(reaction, GiveUp):
                return await self._give_up(job, reaction.reason, DeliveryState.DISCARDED)
            return await self._later(out, part.seq, error, Call.PLACE, reaction)
        await self._records.mark(out, part.seq, PartState.SENT, message_id=message.message_id)
        return None

    async def _failed(
        self, job: Job, out: Outgoing, seq: int, error: BotAPIError, call: Call, *, plain: bool = False
    ) -> Outcome | None:
        """Do what the error asks for; None when the next step may follow at once."""
        reaction = react(
            error,
            call,
            attempts=out.attempts,
            max_attempts=self._policy.max_attempts,
            waited=self._clock.now() - from_ms(out.due_since(seq)),
            jitter=self._draw() * 0.25,
        )
        match reaction:
            case Shown():
                await self._records.mark(out, seq, PartState.SENT)
            case SendPlain() if call is Call.FILL and not plain:
                return await self._fill(job, out, out.parts[seq], plain=True)
            case PlaceAgain():
                await self._records.message_gone(out, seq, str(error))
            case MoveChat(chat_id=chat_id):
                await self._records.move(out, chat_id)
            case LeaveTopic(is_closed=is_closed) if out.topic is not None:
                await self._records.leave(out, out.topic, is_closed=is_closed)
            case Later():
                return await self._later(out, seq, error, call, reaction)
            case GiveUp(reason=reason):
                return await self._give_up(job, reason)
            case SendPlain() | LeaveTopic():
                return await self._give_up(job, str(error))
        return None

    async def _later(
        self, out: Outgoing, seq: int, error: BotAPIError, call: Call, reaction: Later
    ) -> Outcome:
        if reaction.closes_lane:
            until = await self._permits.flood(out.chat_id, reaction.seconds)
        elif call is Call.PLACE:
            until = await self._permits.stand_back(out.chat_id, out.id, reaction.seconds)
        else:
            until = self._permits.in_seconds(reaction.seconds)
        await self._records.delayed(out, seq, str(error), call, reaction)
        return RunAgainAt(until)

    async def _give_up(self, job: Job, reason: str, state: DeliveryState = DeliveryState.DEAD) -> Outcome:
        await self._records.given_up(job, reason, state)
        return Done()

    async def _render(self, out: Outgoing, *, plain: bool = False) -> None:
        """Cut the body into parts; off the event loop, since an answer may be megabytes long."""
        body, most = out.body or "", self._policy.max_text_parts
        if plain:
            contents = await asyncio.to_thread(plain_contents, body, max_text_parts=most)
        else:
            chosen = await self._db.read(lambda conn: rich_choice(conn, out.id))
            contents = await asyncio.to_thread(
                contents_of, body, chosen=chosen, chat_id=out.chat_id, max_text_parts=most
            )
        await self._records.write(out.id, lambda conn, now: store_parts(conn, out.id, contents, now))

    def _again_in(self, seconds: float) -> RunAgainAt:
        return RunAgainAt(self._permits.in_seconds(seconds))
