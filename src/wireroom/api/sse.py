"""Server-sent events: the frame of a live stream; what it carries is its owner's.

A stream ends when its owner says so, when the reader goes, when the store cannot be read, or when the
reader's session has ended; readers come back with `Last-Event-ID` and miss nothing.
Source: WHATWG HTML, section 9.2 Server-sent events.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Send

from wireroom.clock import Clock, came_within
from wireroom.errors import StoreUnavailable
from wireroom.runs.feed import News

HEARTBEAT_SECONDS = 15.0
POLL_SECONDS = 1.0
WELCOME_SECONDS = 1.0
"""How long an ended session may go on hearing news; in silence it ends with the next heartbeat."""
_OPENING = "retry: 1000\n\n"
_HEARTBEAT = ": still here\n\n"
DESCRIBED: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}
"""How OpenAPI tells of a stream."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one look at the rows brought."""

    messages: Sequence[str]
    """Whole messages, see `message`."""
    more: bool = False
    """There is more to read at once."""
    over: bool = False
    """Nothing can follow."""


class EventStream(StreamingResponse):
    """Sends messages as they come, and closes their source however the reader leaves."""

    media_type = "text/event-stream"

    def __init__(self, messages: AsyncGenerator[str, None]) -> None:
        super().__init__(messages, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._messages = messages

    async def stream_response(self, send: Send) -> None:
        """Send until the messages end or the reader goes."""
        async with aclosing(self._messages):
            await super().stream_response(send)


def message(data: str, *, event_id: object, event: str | None = None) -> str:
    """Return one message; `data` is JSON, which has no line breaks of its own."""
    named = f"event: {event}\n" if event else ""
    return f"id: {event_id}\n{named}data: {data}\n\n"


async def follow(
    news: News,
    look: Callable[[], Awaitable[Batch]],
    is_welcome: Callable[[], Awaitable[bool]],
    clock: Clock,
    *,
    every: float = POLL_SECONDS,
) -> AsyncGenerator[str, None]:
    """Yield the messages of each look; look again at news, and after a while in case news got lost.

    Args:
        news: Set whenever there is something to read; cleared before each look, so that none is missed.
            Once it is over, what can be read now is sent and the stream ends.
        look: Reads what follows the reader's cursor, and moves it.
        is_welcome: Asked with every heartbeat, and before messages at most once a second, whether the reader
            may still listen.
        clock: For the heartbeat.
        every: Seconds after which it looks again without news.
    """
    yield _OPENING
    beat_at = asked_at = clock.monotonic()
    while True:
        news.clear()
        try:
            batch = await look()
            now = clock.monotonic()
            beats = now - beat_at >= HEARTBEAT_SECONDS
            if beats or (batch.messages and now - asked_at >= WELCOME_SECONDS):
                asked_at = now
                if not await is_welcome():
                    return
            if beats:
                beat_at = now
                yield _HEARTBEAT
        except StoreUnavailable as error:
            _log.warning("stream_ended", reason=str(error))
            return
        for text in batch.messages:
            yield text
        if batch.over or news.over:
            return
        if not batch.more:
            await came_within(every, news.wait())
