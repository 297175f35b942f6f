"""Answers that are kept for the next reader who asks the same: each for its time, the least used go first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with status 200."""

    headers: Sequence[Header]
    """Names in lower case; with its ETag."""
    body: bytes
    etag: str
    """Empty for one that nobody may keep outside."""


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    until: float
    state: int | None


class KeptAnswers:
    """Answers by what was asked, and by whom."""

    def __init__(self, *, most_bytes: int, largest_bytes: int, now: Callable[[], float]) -> None:
        """Keep at most so many bytes of bodies, of one `largest_bytes`; `now` is a steady clock."""
        self._most_bytes = most_bytes
        self._largest_bytes = largest_bytes
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._bytes = 0

    def find(self, key: str, state: int | None) -> Answer | None:
        """Return the answer, None when there is none or it was made in another state of the database."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if kept.until <= self._now() or kept.state != state:
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return kept.answer

    def keep(self, key: str, answer: Answer, *, seconds: float, state: int | None) -> None:
        """Keep the answer for so long, and only while the database stays in this state; None: in any."""
        self._forget(key)
        if len(answer.body) > self._largest_bytes:
            return
        self._kept[key] = _Kept(answer, self._now() + seconds, state)
        self._bytes += len(answer.body)
        while self._bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, key: str) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept.answer.body)
