"""What one request or job sends to the database: how many statements, and which it repeats (N+1).

A scope is the current task's context; the store carries it to the threads that send. A *repetition* is the
same shape of read so and so often within a second: a list that asks once a row does that, a run that works
for an hour and looks at its row now and then does not. Writes are counted only: an event log says one a line.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from time import perf_counter_ns
from types import MappingProxyType
from typing import Literal, Self

import structlog

from wireroom.perf.evidence import RepeatedStatement
from wireroom.perf.metrics import REPEATED_STATEMENTS
from wireroom.perf.places import place_on_stack
from wireroom.perf.sql import Tally

_log = structlog.get_logger(__name__)

DEFAULT_REPEATS = 20
"""Reads of one shape within a second from which on they are a repetition."""
MOST_COUNTED = 256
"""Statements of one piece of work beyond which it is no longer told how many."""

_PAGE_ROWS = 50
"""A shape that gives so many rows on average reads a long list page by page, which is no repetition."""
_WINDOW_NS = 1_000_000_000
_MOST_FOUND = 200
_NS = 1e9

Work = Literal["request", "job"]
Listener = Callable[[RepeatedStatement], None]


@dataclass(slots=True)
class _Limit:
    by_setting: int = DEFAULT_REPEATS
    listeners: dict[Listener, int] = field(default_factory=dict)
    repeats: int = DEFAULT_REPEATS
    """The lowest of both."""
    batch: int = DEFAULT_REPEATS
    """How many statements are looked at together."""

    def settle(self) -> None:
        self.repeats = min([self.by_setting, *self.listeners.values()])
        self.batch = min(self.repeats, MOST_COUNTED)


_limit = _Limit()
_current: ContextVar[Scope | None] = ContextVar("wireroom_sql_scope", default=None)
STATEMENTS_OF_WORK: dict[Work, list[int]] = {
    "request": [0] * (MOST_COUNTED + 2),
    "job": [0] * (MOST_COUNTED + 2),
}
"""How many requests and jobs sent so many statements; the last is of those that sent more."""


@dataclass(slots=True)
class _Repetition:
    tally: Tally
    place: str
    times: int


class Scope:
    """One request or job, watched while it is entered; noted into by whichever thread sends for it.

    with Scope("request", "GET /api/runs") as watched:
        await handle()
    print(watched.statements)
    """

    _counted = 0
    _token: Token[Scope | None]
    _times: dict[str, int]
    _since_ns: Mapping[str, int] = MappingProxyType({})
    _found: Mapping[str, _Repetition] = MappingProxyType({})

    def __init__(self, work: Work, name: str) -> None:
        """Prepare; `name` is the route's template or the job's kind, and may be set later, until the end."""
        self._work = work
        self.name = name
        self.sent: list[Tally] = []
        """What was sent and not looked at yet, for a thread to add to; fewer than `batch`."""
        self.batch = _limit.batch
        """How many to add before `look`: fewer cannot be a repetition."""

    @property
    def statements(self) -> int:
        """How many were sent."""
        return self._counted + len(self.sent)

    def __enter__(self) -> Self:
        """Begin to watch what the current task sends."""
        self._began_ns = perf_counter_ns()
        self._token = _current.set(self)
        return self

    def __exit__(self, *exc: object) -> None:
        """Note how many there were, and tell of repetitions."""
        _current.reset(self._token)
        if self._counted:
            self.look(perf_counter_ns())
            for found in self.repeated():
                _note(found)
        sent = self._counted or len(self.sent)
        STATEMENTS_OF_WORK[self._work][sent if sent <= MOST_COUNTED else MOST_COUNTED + 1] += 1

    def note(self, tally: Tally, now_ns: int) -> None:
        """Add a statement that ended at `now_ns` of `perf_counter_ns`; `store.watched` has it in line."""
        self.sent.append(tally)
        if len(self.sent) >= self.batch:
            self.look(now_ns)

    def look(self, now_ns: int) -> None:
        """Count what was sent by shape, and judge the reads."""
        sent, self.sent = self.sent, []
        if not self._counted:
            self._times = {}
        self._counted += len(sent)
        for tally in sent:
            if tally.is_read:
                times = self._times[tally.shape] = self._times.get(tally.shape, 0) + 1
                if times >= _limit.repeats:
                    self._judge(tally, times, now_ns, is_last=tally is sent[-1])

    def repeated(self) -> list[RepeatedStatement]:
        """Return what it has repeated; the time is that of the shape's average statement."""
        return [
            RepeatedStatement(
                shape=shape,
                place=found.place,
                within=self.name,
                most_times=found.times,
                occurrences=1,
                total_seconds=found.times * found.tally.ns / found.tally.calls / _NS,
            )
            for shape, found in self._found.items()
        ]

    def _judge(self, tally: Tally, times: int, now_ns: int, *, is_last: bool) -> None:
        shape = tally.shape
        if shape in self._found:
            self._found[shape].times = times
        elif tally.rows >= _PAGE_ROWS * tally.calls:
            self._times[shape] = 0
        elif now_ns - self._since_ns.get(shape, self._began_ns) <= _WINDOW_NS:
            place = place_on_stack() if is_last else tally.place
            self._found = {**self._found, shape: _Repetition(tally, place, times)}
        else:
            self._times[shape] = 0
            self._since_ns = {**self._since_ns, shape: now_ns}


def set_repeat_limit(repeats: int) -> None:
    """Have this many reads of one shape within a second be a repetition; 0: none is."""
    _limit.by_setting = repeats or sys.maxsize
    _limit.settle()


def current_scope() -> Scope | None:
    """Return the request or job that the current task works for."""
    return _current.get()


def repeated_statements() -> tuple[RepeatedStatement, ...]:
    """Return every repetition that was found since the start or `forget_repeated`, dearest first."""
    with _lock:
        return tuple(sorted(_found.values(), key=lambda one: -one.total_seconds))


def forget_repeated() -> None:
    """Forget what was found, so that a period begins."""
    with _lock:
        _found.clear()


@contextmanager
def tell_of_repetitions(listener: Listener, *, at_least: int) -> Iterator[None]:
    """Call `listener` in the block with what is repeated `at_least` times, as its request or job ends."""
    _limit.listeners[listener] = at_least
    _limit.settle()
    try:
        yield
    finally:
        del _limit.listeners[listener]
        _limit.settle()


_lock = threading.Lock()
_found: dict[tuple[str, str], RepeatedStatement] = {}


def _note(found: RepeatedStatement) -> None:
    REPEATED_STATEMENTS.inc()
    key = (found.within, found.shape)
    with _lock:
        known = _found.get(key)
        if known is not None:
            _found[key] = _together(known, found)
        elif len(_found) < _MOST_FOUND:
            _found[key] = found
    if known is None:
        _log.warning(
            "statement_repeated",
            within=found.within,
            times=found.most_times,
            place=found.place,
            shape=found.shape,
        )
    for listener in list(_limit.listeners):
        listener(found)


def _together(known: RepeatedStatement, more: RepeatedStatement) -> RepeatedStatement:
    return RepeatedStatement(
        known.shape,
        known.place,
        known.within,
        max(known.most_times, more.most_times),
        known.occurrences + more.occurrences,
        known.total_seconds + more.total_seconds,
    )
