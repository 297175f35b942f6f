"""The frame of a live stream: when it looks, what it says while nothing happens, and when it ends."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from wireroom.api.sse import HEARTBEAT_SECONDS, WELCOME_SECONDS, Batch, follow, message
from wireroom.errors import StoreBusy
from wireroom.runs.feed import News


class LeapingClock:
    """A clock that is one heartbeat later at each reading."""

    def __init__(self, step: float = HEARTBEAT_SECONDS) -> None:
        self._step = step
        self._now = 0.0

    def now(self) -> datetime:
        """Return some time."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the next reading."""
        self._now += self._step
        return self._now


def _stream(
    looks: list[Batch | Exception], *, welcome: list[bool], step: float = 0.0
) -> AsyncGenerator[str, None]:
    async def look() -> Batch:
        found = looks.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def is_welcome() -> bool:
        return welcome.pop(0)

    news = News()
    return follow(news, look, is_welcome, LeapingClock(step))


async def _all(stream: AsyncGenerator[str, None]) -> list[str]:
    return [text async for text in stream]


def test_message_carries_its_id_name_and_data() -> None:
    """The id comes first, so that a cut message has none of it."""
    assert message('{"a":1}', event_id=7, event="text") == 'id: 7\nevent: text\ndata: {"a":1}\n\n'


async def test_stream_says_at_once_that_it_is_open_and_ends_when_it_is_over() -> None:
    """Nothing is waited for while there is more, and nothing follows the end."""
    looks: list[Batch | Exception] = [Batch(["a"], more=True), Batch(["b"], over=True)]
    assert await _all(_stream(looks, welcome=[])) == ["retry: 1000\n\n", "a", "b"]


async def test_stream_beats_and_ends_for_a_reader_who_is_no_longer_welcome() -> None:
    """A session that has ended hears nothing more than one heartbeat's worth."""
    looks: list[Batch | Exception] = [Batch([], more=True), Batch(["late"], more=True)]
    heard = await _all(_stream(looks, welcome=[True, False], step=HEARTBEAT_SECONDS))
    assert heard == ["retry: 1000\n\n", ": still here\n\n"]


async def test_reader_who_is_no_longer_welcome_hears_no_news() -> None:
    """News are held back as soon as a second has gone by since the reader was last asked for."""
    looks: list[Batch | Exception] = [Batch(["early"], more=True), Batch([], more=True), Batch(["late"])]
    heard = await _all(_stream(looks, welcome=[True, False], step=WELCOME_SECONDS))
    assert heard == ["retry: 1000\n\n", "early"]


async def test_stream_ends_when_the_store_cannot_be_read() -> None:
    """The reader comes back with its cursor; an error page in the middle of a stream would help nobody."""
    assert await _all(_stream([StoreBusy("busy")], welcome=[])) == ["retry: 1000\n\n"]
