"""What of an attempt's events waits to be written, and how many are let in at all. Pure.

An agent may write a million lines a second. Pieces of text are joined as they come; a log that has had its
share takes no more, counts what it leaves out, and says so in one last notice.
"""

from __future__ import annotations

import io
from collections import deque
from dataclasses import dataclass, field

import msgspec

from wireroom.backends.protocol import AgentEvent, EventKind

MAX_NOTICES = 1000
"""Lines of no meaning to us (stderr, unreadable ones) that one attempt's log keeps."""

BATCH_EVENTS = 500
"""Events written in one unit, so that other writers have their turn."""

_ROW_BYTES = 200
_JOINS = frozenset({EventKind.TEXT, EventKind.THOUGHT})
# Small, rare, and what the next run or the person's bill needs.
_ALWAYS = frozenset({EventKind.SESSION, EventKind.STATE})


@dataclass(slots=True)
class _Joined:
    """Neighbouring pieces of one kind, not yet one text."""

    kind: EventKind
    text: io.StringIO = field(default_factory=io.StringIO)

    def event(self) -> AgentEvent:
        return AgentEvent(self.kind, {"text": self.text.getvalue()})


class EventBuffer:
    """Events in the order they came, each taken out once."""

    def __init__(self, max_bytes: int) -> None:
        """Start empty.

        Args:
            max_bytes: What the payloads of one attempt may take in all, with 200 more for each row; a
                character of text counts as one.
        """
        self._bytes_left = max_bytes
        self._notices_left = MAX_NOTICES
        self._waiting: deque[AgentEvent | _Joined] = deque()
        self._omitted = 0
        self._told = 0

    def __bool__(self) -> bool:
        """True while something waits to be taken."""
        return bool(self._waiting)

    @property
    def takes_notices(self) -> bool:
        """False once another notice would be left out."""
        return self._notices_left > 0 and self._bytes_left > 0

    def omit(self, events: int = 1) -> None:
        """Count events that are left out."""
        self._omitted += events

    def add(self, event: AgentEvent) -> None:
        """Take the event, or leave it out when the log has had its share."""
        if event.kind in _ALWAYS:
            self._waiting.append(event)
        elif self._bytes_left <= 0 or (event.kind is EventKind.NOTICE and not self.takes_notices):
            self.omit()
        elif event.kind in _JOINS:
            self._join(event)
        else:
            self._notices_left -= event.kind is EventKind.NOTICE
            self._bytes_left -= _ROW_BYTES + len(msgspec.json.encode(event.payload))
            self._waiting.append(event)

    def take(self) -> list[AgentEvent]:
        """Return the oldest events, at most `BATCH_EVENTS`, and forget them."""
        count = min(BATCH_EVENTS, len(self._waiting))
        oldest = [self._waiting.popleft() for _ in range(count)]
        return [one.event() if isinstance(one, _Joined) else one for one in oldest]

    def end(self) -> None:
        """Add the notice of what was left out, if anything was."""
        if self._omitted > self._told:
            self._told = self._omitted
            told = {"text": f"… {self._omitted:,} lines omitted"}
            self._waiting.append(AgentEvent(EventKind.NOTICE, told))

    def _join(self, event: AgentEvent) -> None:
        last = self._waiting[-1] if self._waiting else None
        if not isinstance(last, _Joined) or last.kind is not event.kind:
            last = _Joined(event.kind)
            self._waiting.append(last)
            self._bytes_left -= _ROW_BYTES
        text: str = event.payload["text"]
        last.text.write(text)
        self._bytes_left -= len(text)
