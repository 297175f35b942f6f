"""Wakes live readers when a run or a lane has news; what the news is, they read from the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class News(asyncio.Event):
    """Set when there is something to read; `over` when nothing more will come because the service stops."""

    over = False


class Feed:
    """A switchboard of wake-ups by topic. Holds nothing that a crash could take."""

    def __init__(self, tell_others: Callable[[str], None] | None = None) -> None:
        """Start without readers; `tell_others` wakes those of a topic in other processes."""
        self._readers: dict[str, set[News]] = {}
        self._tell_others = tell_others
        self._closed = False

    def publish(self, topic: str) -> None:
        """Wake the topic's readers, wherever they are. Call it on the event loop, after the commit."""
        self.wake(topic)
        if self._tell_others is not None:
            self._tell_others(topic)

    def wake(self, topic: str) -> None:
        """Wake the topic's readers in this process: another one has published it."""
        for event in self._readers.get(topic, ()):
            event.set()

    def wake_all(self) -> None:
        """Wake every reader in this process: another one has committed, and nobody knows what."""
        for topic in tuple(self._readers):
            self.wake(topic)

    def close(self) -> None:
        """Tell every reader that it is over, so that no open page holds up the end of the service."""
        self._closed = True
        for readers in self._readers.values():
            for event in readers:
                event.over = True
        self.wake_all()

    @contextmanager
    def listen(self, topic: str) -> Iterator[News]:
        """Give an event that is set at each news; the reader clears it before it reads the rows."""
        event = News()
        event.over = self._closed
        self._readers.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            readers = self._readers[topic]
            readers.discard(event)
            if not readers:
                del self._readers[topic]


def run_topic(run_id: str) -> str:
    """Return the topic of one run's log."""
    return f"run:{run_id}"


def lane_topic(lane: str) -> str:
    """Return the topic of everything in a lane."""
    return f"lane:{lane}"
