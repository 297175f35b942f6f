"""What the last day was like, in bounded memory: rows to draw, and moments to count from. Pure.

Each window has a ring of rows, one every few seconds or minutes, and some marks: moments at which it was kept
where every count stood, so that exact tables of a window come from a difference. Neighbours: what is read
`perf.history_reading`, who reads it `perf.history_sampler`.
"""

from __future__ import annotations

import math
from array import array
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from wireroom.perf.history_reading import COLUMNS, Reading, row_between

MOST_MARK_BYTES = 4 * 1024 * 1024
"""Of all windows together; the oldest marks go first, and the window is shorter for it and says so."""
_EARLY_SECONDS = 0.5
"""So much before its time a row is made rather than a whole look later."""


@dataclass(frozen=True, slots=True)
class Window:
    """A length of time that is looked back on."""

    name: str
    seconds: int
    row_seconds: int
    """From one row to the next."""
    mark_seconds: int
    """From one mark to the next: by so much the window may be longer than its name says."""

    @property
    def rows(self) -> int:
        """Rows that fill it."""
        return self.seconds // self.row_seconds

    @property
    def marks(self) -> int:
        """Marks that are needed for one to be old enough."""
        return math.ceil(self.seconds / self.mark_seconds) + 2


WINDOWS = (Window("5m", 300, 5, 30), Window("1h", 3600, 15, 300), Window("24h", 86400, 300, 7200))
LOOK_SECONDS = WINDOWS[0].row_seconds
_CELL_BYTES = 8
MOST_BYTES = MOST_MARK_BYTES + sum(window.rows for window in WINDOWS) * _CELL_BYTES * (1 + len(COLUMNS))
"""The most that the history ever takes."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that can be counted from."""

    at_ms: int
    """Milliseconds since the epoch, for people."""
    steady_seconds: float
    """Of a clock that nobody sets."""
    packed: bytes | None
    """Where every count stood; None: the start of the process, when nothing was counted."""


@dataclass(frozen=True, slots=True)
class Series:
    """The rows of a window, oldest first, by column."""

    times_ms: Sequence[int]
    columns: Mapping[str, Sequence[float]]
    """Not-a-number where nothing is known, as of percentiles without a request."""


class History:
    """The rows and marks of every window."""

    def __init__(
        self,
        began: Mark,
        first: Reading,
        *,
        windows: Sequence[Window] = WINDOWS,
        most_mark_bytes: int = MOST_MARK_BYTES,
    ) -> None:
        """Begin with no rows.

        Args:
            began: The start of the process, from which to count until a window is filled.
            first: Where the counts of rows stand now.
            windows: What to keep.
            most_mark_bytes: The most that all marks together may take.
        """
        share = most_mark_bytes // len(windows)
        self._tracks = {window.name: _Track(window, began, first, share) for window in windows}

    def take(self, reading: Reading) -> bool:
        """Add a reading to each window; True when one of them wants a mark of this moment."""
        for track in self._tracks.values():
            track.take(reading)
        return any(track.wants_mark(reading.steady_seconds) for track in self._tracks.values())

    def keep(self, mark: Mark) -> None:
        """Keep a mark in each window that wants one."""
        for track in self._tracks.values():
            if track.wants_mark(mark.steady_seconds):
                track.keep(mark)

    def series(self, window: str) -> Series:
        """Return the rows of a window."""
        return self._tracks[window].rows.series()

    def beginning(self, window: str, now_seconds: float) -> Mark:
        """Return from where to count: the youngest mark that is old enough, else the oldest there is."""
        return self._tracks[window].beginning(now_seconds)

    @property
    def bytes_used(self) -> int:
        """Bytes of all rows, whose room is taken at once, and of the marks that are kept now."""
        return sum(track.rows.bytes_used + track.mark_bytes for track in self._tracks.values())


class _Track:
    """One window as it moves on."""

    def __init__(self, window: Window, began: Mark, first: Reading, most_mark_bytes: int) -> None:
        self.window = window
        self.rows = Rows(window.rows)
        self.mark_bytes = 0
        self._marks = deque([began])
        self._most_mark_bytes = most_mark_bytes
        self._last = first
        self._worst_lag = 0.0

    def take(self, reading: Reading) -> None:
        self._worst_lag = max(self._worst_lag, reading.lag_seconds)
        if reading.steady_seconds - self._last.steady_seconds < self.window.row_seconds - _EARLY_SECONDS:
            return
        self.rows.add(reading.at_ms, row_between(self._last, reading, worst_lag=self._worst_lag))
        self._last, self._worst_lag = reading, 0.0

    def wants_mark(self, now_seconds: float) -> bool:
        newest = self._marks[-1].steady_seconds
        return now_seconds - newest >= self.window.mark_seconds - _EARLY_SECONDS

    def keep(self, mark: Mark) -> None:
        self._marks.append(mark)
        self.mark_bytes += len(mark.packed or b"")
        while self._has_too_many():
            self.mark_bytes -= len(self._marks.popleft().packed or b"")

    def _has_too_many(self) -> bool:
        is_full = len(self._marks) > self.window.marks or self.mark_bytes > self._most_mark_bytes
        return is_full and len(self._marks) > 1

    def beginning(self, now_seconds: float) -> Mark:
        old_enough = now_seconds - self.window.seconds + _EARLY_SECONDS
        aged = [mark for mark in self._marks if mark.steady_seconds <= old_enough]
        return aged[-1] if aged else self._marks[0]


class Rows:
    """A ring of rows, in arrays whose room is taken at once."""

    def __init__(self, most: int) -> None:
        """Keep at most so many rows."""
        self._most = most
        self._added = 0
        self._times = array("q", bytes(_CELL_BYTES * most))
        self._columns = [array("d", bytes(_CELL_BYTES * most)) for _ in COLUMNS]

    def add(self, at_ms: int, row: Sequence[float]) -> None:
        """Add a row, in the order of `COLUMNS`; the oldest goes when there are too many."""
        place = self._added % self._most
        self._times[place] = at_ms
        for column, value in zip(self._columns, row, strict=True):
            column[place] = value
        self._added += 1

    def series(self) -> Series:
        """Return the rows."""
        columns = (self._in_order(column) for column in self._columns)
        return Series(self._in_order(self._times), dict(zip(COLUMNS, columns, strict=True)))

    @property
    def bytes_used(self) -> int:
        """Bytes of the arrays."""
        return self._most * _CELL_BYTES * (1 + len(self._columns))

    def _in_order(self, values: array) -> array:  # type: ignore[type-arg]  # of either kind
        oldest = self._added % self._most
        return values[oldest:] + values[:oldest] if self._added >= self._most else values[: self._added]
