"""Wakes live readers when a run or a lane has news; what the news is, they read from the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class News(asyncio.Event):
    """Set when there is something to read; `over` when nothing more will come because the service stops."""

    over = False


class Feed:
    """A switchboard of wake-ups by topic. Holds nothing that a crash could take."""

    def __init__(self) -> None:
        """Start without readers."""
        self._readers: dict[str, set[News]] = {}
        self._closed = False

    def publish(self, topic: str) -> None:
        """Wake the topic's readers. Call it on the event loop, after the commit."""
        for event in self._readers.get(topic, ()):
            event.set()

    def publish_all(self) -> None:
        """Wake every reader: another process has committed, and nobody knows what."""
        for topic in tuple(self._readers):
            self.publish(topic)

    def close(self) -> None:
        """Tell every reader that it is over, so that no open page holds up the end of the service."""
        self._closed = True
        for readers in self._readers.values():
            for event in readers:
                event.over = True
        self.publish_all()

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
