"""What statements cost: calls, time, slowest, percentiles, by shape, in bounded memory.

Whoever sends statements keeps one `Recorder` a thread and notes each into its tally, without a lock: a tally
is written by one thread and read by any, so a reader may see a call whose time is not added yet.
Neighbours: shapes `perf.sql_shapes`, repetitions `perf.sql_scope`, the slow ones `perf.sql_slow`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2
from weakref import WeakSet

from wireroom.perf.evidence import StatementFigures
from wireroom.perf.places import place_on_stack
from wireroom.perf.sql_shapes import only_reads, scanned_tables, shape_of
from wireroom.perf.timings import BUCKETS, Timings

OTHER = "(other statements)"
"""The shape under which everything goes that comes when the memory for shapes is used up."""

_MOST_SHAPES = 500
_MOST_TEXTS = 2000
_NS_OF_MICROSECOND = 1000
_NS = 1e9


def _bucket(took_ns: int) -> int:
    bucket = int(log2(took_ns / _NS_OF_MICROSECOND) * 4) + 1 if took_ns > _NS_OF_MICROSECOND else 0
    return min(bucket, BUCKETS - 1)


QUICK_NS = 1 << 17
"""What takes less, 131 µs, has its bucket in `QUICK_BUCKETS`, by steps of 256 ns."""
QUICK_BUCKETS = tuple(_bucket(number << 8) for number in range(QUICK_NS >> 8))


def bucket_of(took_ns: int) -> int:
    """Return the bucket of a duration in `Timings`; a logarithm costs as much as all the rest of a note."""
    return QUICK_BUCKETS[took_ns >> 8] if took_ns < QUICK_NS else _bucket(took_ns)


class Tally:
    """What one thread has noted of one shape; times in nanoseconds."""

    __slots__ = (
        "alarm",
        "counts",
        "is_read",
        "ns",
        "place",
        "plan",
        "rows",
        "shape",
        "slowest",
        "text",
    )

    def __init__(self, text: str, shape: str, place: str) -> None:
        """Begin with nothing; `text` is a statement of the shape as the driver takes it."""
        self.text = text
        self.shape = sys.intern(shape)
        self.place = place
        self.is_read = only_reads(shape)
        self.ns = 0
        self.rows = 0
        self.slowest = 0
        self.alarm = 0
        """A call that takes longer is looked at more closely: the slowest so far, or one to be logged."""
        self.counts = [0] * BUCKETS
        """As in `Timings`."""
        self.plan = ""

    @property
    def calls(self) -> int:
        """How many were noted."""
        return sum(self.counts)

    def add(self, took_ns: int) -> None:
        """Note one call; `store.watched` has the same steps in line."""
        self.ns += took_ns
        self.counts[bucket_of(took_ns)] += 1

    def timings(self) -> Timings:
        """Return the state now."""
        return Timings(list(self.counts), self.ns / _NS, self.slowest / _NS)


class Recorder:
    """The tallies of one thread that sends statements."""

    def __init__(self) -> None:
        """Begin with nothing, and be counted in `statement_statistics` until retired or forgotten."""
        self.by_text: dict[str, Tally] = {}
        """Tallies by the exact text; the same dictionary for life, so that it may be bound once."""
        self._by_shape: dict[str, Tally] = {}
        with _lock:
            _recorders.add(self)

    def tally_of(self, sql: str) -> Tally:
        """Return the tally of a statement, made when it is the first of its shape."""
        known = self.by_text.get(sql)
        if known is not None:
            return known
        shape = shape_of(sql)
        if shape not in self._by_shape and len(self._by_shape) >= _MOST_SHAPES:
            shape = OTHER
        tally = self._by_shape.get(shape)
        if tally is None:
            tally = self._by_shape[shape] = Tally(sql, shape, place_on_stack())
        if len(self.by_text) >= _MOST_TEXTS:
            # Texts of one shape are made without end, by lists of different lengths.
            self.by_text.clear()
        self.by_text[sql] = tally
        return tally

    def retire(self) -> None:
        """Be counted no longer: the connection is closed."""
        with _lock:
            _recorders.discard(self)

    def tallies(self) -> Sequence[Tally]:
        """Return what there is now."""
        return list(self._by_shape.values())


_lock = threading.Lock()
_recorders: WeakSet[Recorder] = WeakSet()


@dataclass(slots=True)
class _Total:
    """Tallies of one shape, of all threads together."""

    place: str
    timings: Timings = field(default_factory=Timings)
    rows: int = 0
    plan: str = ""

    def add(self, tally: Tally) -> None:
        more, mine = tally.timings(), self.timings
        mine.counts = [a + b for a, b in zip(mine.counts, more.counts, strict=True)]
        mine.total_seconds += more.total_seconds
        mine.slowest_seconds = max(mine.slowest_seconds, more.slowest_seconds)
        self.rows += tally.rows
        self.plan = self.plan or tally.plan


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment that a period begins with; see `mark`."""

    totals: Mapping[str, _Total]


def mark() -> Mark:
    """Return this moment, for `statement_statistics(since=…)`."""
    return Mark(_totals())


def statement_statistics(since: Mark | None = None) -> tuple[StatementFigures, ...]:
    """Return what each shape has cost since the mark, else since the databases were opened; dearest first.

    The slowest call of a period is known to its bucket, about nineteen per cent.
    """
    before = {} if since is None else since.totals
    found = [_figures(shape, total, before.get(shape)) for shape, total in _totals().items()]
    return tuple(sorted((one for one in found if one.calls > 0), key=lambda one: -one.total_seconds))


def statement_percentiles(shares: Sequence[float], since: Mark | None = None) -> dict[str, tuple[float, ...]]:
    """Return, by shape, the estimated seconds that these shares, 0 to 1, of its calls did not exceed."""
    before = {} if since is None else since.totals
    return {
        shape: tuple(_period(total, before.get(shape)).percentile(share) for share in shares)
        for shape, total in _totals().items()
    }


def statement_totals() -> tuple[int, float]:
    """Return how many statements there were in all, and the seconds that they took."""
    tallies = _tallies()
    return sum(tally.calls for tally in tallies), sum(tally.ns for tally in tallies) / _NS


def keep_plan(shape: str, plan: str) -> None:
    """Keep the plan of a shape with its figures."""
    for tally in _tallies():
        if tally.shape == shape:
            tally.plan = plan


def texts_without_plan(shapes: Iterable[str]) -> dict[str, str]:
    """Return, by shape, a statement as the driver takes it, for those whose plan was not looked at."""
    wanted = set(shapes)
    return {tally.shape: tally.text for tally in _tallies() if tally.shape in wanted and not tally.plan}


def _tallies() -> Sequence[Tally]:
    with _lock:
        alive = list(_recorders)
    return [tally for recorder in alive for tally in recorder.tallies()]


def _totals() -> dict[str, _Total]:
    totals: dict[str, _Total] = {}
    for tally in _tallies():
        totals.setdefault(tally.shape, _Total(tally.place)).add(tally)
    return totals


def _period(total: _Total, before: _Total | None) -> Timings:
    return total.timings if before is None else total.timings.since(before.timings)


def _figures(shape: str, total: _Total, before: _Total | None) -> StatementFigures:
    timings = _period(total, before)
    return StatementFigures(
        shape=shape,
        calls=timings.calls,
        total_seconds=timings.total_seconds,
        slowest_seconds=timings.slowest_seconds,
        p95_seconds=timings.percentile(0.95),
        rows=total.rows - (before.rows if before else 0),
        place=total.place,
        plan=total.plan,
        scans=scanned_tables(total.plan),
    )
