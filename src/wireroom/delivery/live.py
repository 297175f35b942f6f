"""Signs of life in a chat: "typing …", progress as drafts or edits, acknowledged buttons.

Nothing here is stored. A sign that cannot be given at once, at the pace of the permits, is dropped; progress
is replaced by newer progress and shown at most once a second a chat. `delivery.drafts` shows drafts,
`delivery.takeover` has an answer come in a new message after them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog

from wireroom.clock import Clock, to_ms
from wireroom.delivery.draft_ways import Way
from wireroom.delivery.drafts import RENEW_SECONDS, Drafts, first_message
from wireroom.delivery.permits import Permits
from wireroom.delivery.progress import NoProgress, ProgressLine
from wireroom.delivery.spots import Spot, find_spot
from wireroom.delivery.strays import Strays
from wireroom.delivery.takeover import place_anew
from wireroom.errors import StoreUnavailable, TelegramError
from wireroom.jobs.port import Jobs
from wireroom.store.database import Database
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import FloodWait, Uncertain
from wireroom.telegram.methods import AnswerCallbackQuery, EditMessageText, SendChatAction
from wireroom.telegram.types import InlineKeyboardButton, InlineKeyboardMarkup

_log = structlog.get_logger(__name__)
_MAX_SIGNS = 200
_TYPED_A_SECOND = 20
_TYPING_SECONDS = 4.0
_EDIT_SECONDS = 1.0
_CLOSE_SECONDS = 5.0
_LOOK_SECONDS = 0.25
_ANSWER_SECONDS = 3.0
"""How long an edit may go without an answer; below `_CLOSE_SECONDS`, so that none is cut off unnoticed."""


class LiveSigns:
    """Gives signs for one bot; both `intake.handle.Hints` and `delivery.progress.Progress`."""

    def __init__(  # noqa: PLR0917 - its neighbours
        self,
        client: TelegramClient,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        permits: Permits,
        strays: Strays,
        *,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        """Share permits with the sender, so that signs and answers together keep the limits, and strays."""
        self.renew_seconds = renew_seconds
        self._client = client
        self._drafts = Drafts(client, permits)
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._permits = permits
        self._strays = strays
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._typed: deque[float] = deque(maxlen=_TYPED_A_SECOND)

    def typing(self, chat_id: int, thread_id: int | None) -> None:
        """Show "typing …" now, or not at all when many chats are shown it already."""
        now = self._clock.monotonic()
        if len(self._typed) == _TYPED_A_SECOND and now - self._typed[0] < 1:
            return
        self._typed.append(now)
        self._start(self._typing(chat_id, thread_id), "typing")

    def answer_press(self, callback_id: str, text: str) -> None:
        """Acknowledge a pressed button; that of a draft wants no answer, and has no id for one."""
        if not callback_id:
            return
        self._start(self._answer(callback_id, text), "answer press")

    def open(self, run_id: str) -> ProgressLine:
        """Begin to show the run's progress in the placeholder of its answer."""
        if len(self._tasks) >= _MAX_SIGNS:
            return NoProgress().open(run_id)
        line = LiveLine(self, run_id)
        line.task = self._start(line.run(), f"progress {run_id}")
        return line

    async def close(self) -> None:
        """Stop every sign; none begins any more."""
        self._is_closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def show(self, run_id: str, text: str) -> None:
        """Show the text in the placeholder of a run that waits, if that can be done within a few seconds."""
        with suppress(TimeoutError, StoreUnavailable):
            async with asyncio.timeout(_CLOSE_SECONDS):
                spot = await self.spot(run_id)
                while spot is not None and not await self.edit(run_id, spot, text):
                    await asyncio.sleep(_LOOK_SECONDS)
                    spot = await self.spot(run_id)

    async def reword(self, run_id: str, text: str) -> bool:
        """Show the text in the placeholder of a run that waits, now or not; True when it is done with."""
        spot = await self.spot(run_id)
        return spot is None or await self.edit(run_id, spot, text)

    async def spot(self, run_id: str) -> Spot | None:
        """Return where the run will answer; None for nowhere, and once its answer is known."""
        return await self._db.read(lambda conn: find_spot(conn, run_id, self._client.bot_id))

    def takes_drafts(self, spot: Spot) -> bool:
        """Tell whether drafts are seen there, as far as is known, and stand at the end of the chat."""
        return spot.is_last and self._drafts.way(spot) is not Way.EDIT

    async def draft(self, spot: Spot, text: str) -> bool | None:
        """Show the text as a draft; False when it was not seen this time, None to try again soon."""
        return await self._drafts.show(spot, text) if await self._may_show(spot) else None

    async def make_room(self, run_id: str, message_id: int) -> None:
        """Have the run's answer come in a new message: that is what takes its draft away."""
        now_ms = to_ms(self._clock.now())
        await self._db.write(lambda conn: place_anew(conn, self._jobs, run_id, message_id, now_ms=now_ms))

    async def edit(self, run_id: str, spot: Spot, text: str) -> bool:
        """Show the text if the lane lets us; True when it is done with, False to try again soon."""
        if spot.message_id is None:
            return False
        if not await self._may_show(spot):
            return False
        # In a thread: 9 ms for what a message can hold, each second, for each agent at work.
        first = await asyncio.to_thread(first_message, text)
        if first is None:
            return True
        stop = InlineKeyboardButton(text="⏹ Stop", callback_data=f"w:stop:{run_id}")
        request = EditMessageText(
            chat_id=spot.chat_id,
            message_id=spot.message_id,
            text=first.text,
            entities=first.entities,
            reply_markup=InlineKeyboardMarkup(inline_keyboard=[[stop]]),
        )
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._client.call(request)
        except (Uncertain, TimeoutError):
            self._strays.note(run_id, self._clock.monotonic())
        except FloodWait as error:
            await self._permits.flood(spot.chat_id, error.retry_after_seconds)
        except TelegramError as error:
            _log.debug("progress_not_shown", run_id=run_id, reason=str(error))
        return True

    async def _may_show(self, spot: Spot) -> bool:
        try:
            return await self._permits.ask(spot.chat_id, "progress") is None
        except StoreUnavailable:
            # A moment without a database ends no line of progress.
            return False

    async def _typing(self, chat_id: int, thread_id: int | None) -> None:
        await self._client.call(SendChatAction(chat_id=chat_id, action="typing", message_thread_id=thread_id))

    async def _answer(self, callback_id: str, text: str) -> None:
        await self._client.call(AnswerCallbackQuery(callback_query_id=callback_id, text=text))

    def _start(self, sign: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        if self._is_closed or len(self._tasks) >= _MAX_SIGNS:
            sign.close()
            return None
        task = asyncio.create_task(_quietly(sign), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # One that is stopped before its first step has never begun with its sign.
        task.add_done_callback(lambda _: sign.close())
        return task


class LiveLine:
    """One run's line of progress: a task that shows the newest text once a second.

    Where there are drafts, a draft says everything, and the placeholder above it the first paragraph, with a
    button to stop for apps that know none in drafts.
    """

    def __init__(self, signs: LiveSigns, run_id: str) -> None:
        self.task: asyncio.Task[None] | None = None
        self._signs = signs
        self._run_id = run_id
        self._text: str | None = None
        self._head = ""
        """What the placeholder says, where drafts say the rest."""
        self._draft: _Shown | None = None
        self._closed = asyncio.Event()

    def show(self, text: str) -> None:
        """Replace what will be shown next."""
        self._text = text

    async def close(self) -> None:
        """Stop after the call under way, if there is one."""
        self._closed.set()
        if self.task is not None:
            await asyncio.wait([self.task], timeout=_CLOSE_SECONDS)
            self.task.cancel()

    async def run(self) -> None:
        """Show progress until closed, and "typing …" while there is none."""
        spot = await self._signs.spot(self._run_id)
        typed_at = float("-inf")
        loop = asyncio.get_running_loop()
        while spot is not None and not self._closed.is_set():
            text = self._next_text(loop.time())
            if spot.message_id is None or text is not None:
                # Also where it is known: a process that froze wakes up after another has shown the answer.
                spot = await self._signs.spot(self._run_id)
            if spot is not None and text is not None:
                is_done = await self._advance(spot, text, loop.time())
                self._text = None if is_done and self._text == text else self._text
            if spot is not None and loop.time() - typed_at >= _TYPING_SECONDS:
                self._signs.typing(spot.chat_id, spot.thread_id)
                typed_at = loop.time()
            await _wait(self._closed, _EDIT_SECONDS)
        if self._draft is not None and spot is not None and spot.message_id is not None:
            await self._signs.make_room(self._run_id, spot.message_id)

    def _next_text(self, now: float) -> str | None:
        """Return what is to be shown: news, or the draft once more before people lose sight of it."""
        if (
            self._text is None
            and self._draft is not None
            and now >= self._draft.at + self._signs.renew_seconds
        ):
            return self._draft.text
        return self._text

    async def _advance(self, spot: Spot, text: str, now: float) -> bool:
        """Take the next step to show the text; True when it is done with."""
        head, _, rest = text.partition("\n\n")
        takes_drafts = self._signs.takes_drafts(spot)
        if not takes_drafts:
            # From now on edits show what there is.
            self._draft = None
        if spot.message_id is None or not rest or not takes_drafts:
            is_done = await self._signs.edit(self._run_id, spot, text)
            self._head = text if is_done else self._head
            return is_done
        if head != self._head and self._draft is not None:
            if await self._signs.edit(self._run_id, spot, head):
                self._head = head
            return False
        shown = await self._signs.draft(spot, text)
        if shown:
            self._draft = _Shown(text, now)
        return shown is not None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A draft that people see."""

    text: str
    at: float
    """By the loop's clock."""


async def _quietly(sign: Coroutine[Any, Any, None]) -> None:
    """A sign that fails is not worth more than a line at debug."""
    try:
        await sign
    except (TelegramError, StoreUnavailable) as error:
        _log.debug("sign_not_given", reason=str(error))


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
