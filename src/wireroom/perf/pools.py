"""Watches what a pool lends: who waits, how long, what is in use, and who does not give back.

A pool is anything of a fixed number that is lent for a while: connections, threads with a connection. It
keeps one `PoolWatch` and tells it of three moments: asked, taken, given back.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakSet

import structlog

from wireroom.perf.evidence import PoolWait
from wireroom.perf.metrics import (
    POOL_ACQUIRE_SECONDS,
    POOL_CONNECTIONS,
    POOL_CONNECTS,
    POOL_LEAKED,
    POOL_WAITS,
)
from wireroom.perf.places import lines_on_stack
from wireroom.perf.stacks import Line, show_all
from wireroom.perf.timings import Timings

_log = structlog.get_logger(__name__)

DEFAULT_HELD_SECONDS = 30.0
_STACK_LINES = 12
_NS = 1e9


class Loan:
    """One connection that somebody asks for, has, and gives back."""

    __slots__ = ("asked_ns", "found_none", "is_reported", "stack", "taken_ns")

    def __init__(self, stack: Sequence[Line]) -> None:
        """Begin now to wait."""
        self.asked_ns = time.perf_counter_ns()
        self.taken_ns = 0
        self.stack = stack
        self.found_none = False
        """Whether all connections were lent when it was asked for."""
        self.is_reported = False


@dataclass(frozen=True, slots=True)
class Held:
    """A connection that was not given back for longer than the limit."""

    pool: str
    seconds: float
    stack: tuple[str, ...]
    """Where it was taken, innermost line of ours first."""


class PoolWatch:
    """The figures of one pool."""

    def __init__(self, name: str, *, size: int, overflow: int = 0) -> None:
        """Begin with nothing lent; `size` are kept, `overflow` more may be opened under load."""
        self.name = name
        self._size = size
        self._overflow = overflow
        self._lock = threading.Lock()
        self._loans: set[Loan] = set()
        self._acquired = self._waited = self._connects = self._in_use = self._leaked = 0
        self._waited_seconds = 0.0
        self._timings = Timings()
        self._observe = POOL_ACQUIRE_SECONDS.labels(name).observe
        _watches.add(self)
        self._show()

    @property
    def connects(self) -> int:
        """Connections that were opened since the start: far fewer than operations."""
        return self._connects

    def connected(self) -> None:
        """Count a connection that was opened."""
        with self._lock:
            self._connects += 1
        POOL_CONNECTS.labels(self.name).inc()

    def ask(self) -> Loan:
        """Note that the caller waits for a connection from now on."""
        loan = Loan(lines_on_stack(_STACK_LINES))
        with self._lock:
            if len(self._loans) >= self._size + self._overflow:
                self._waited += 1
                loan.found_none = True
                POOL_WAITS.labels(self.name).inc()
            self._loans.add(loan)
        return loan

    def take(self, loan: Loan) -> None:
        """Note that the caller has it."""
        loan.taken_ns = time.perf_counter_ns()
        seconds = (loan.taken_ns - loan.asked_ns) / _NS
        with self._lock:
            self._in_use += 1
            self._acquired += 1
            self._timings.add(seconds)
            if loan.found_none:
                self._waited_seconds += seconds
        self._observe(seconds)

    def give_back(self, loan: Loan) -> None:
        """Note that the caller has done with it, or waits no longer."""
        with self._lock:
            self._loans.discard(loan)
            if loan.taken_ns:
                self._in_use -= 1

    def give_up(self, loan: Loan) -> None:
        """Note that the caller waits no longer; nothing when another thread has taken it for the caller."""
        with self._lock:
            if not loan.taken_ns:
                self._loans.discard(loan)

    def held_longer(self, seconds: float) -> list[Held]:
        """Return what is held longer than that, each once, and count it as leaked."""
        now = time.perf_counter_ns()
        with self._lock:
            late = [
                loan
                for loan in self._loans
                if loan.taken_ns and not loan.is_reported and now - loan.taken_ns > seconds * _NS
            ]
            for loan in late:
                loan.is_reported = True
            self._leaked += len(late)
        POOL_LEAKED.labels(self.name).inc(len(late))
        return [Held(self.name, (now - loan.taken_ns) / _NS, show_all(loan.stack)) for loan in late]

    def figures(self) -> PoolWait:
        """Return what there is to tell since the pool was opened."""
        with self._lock:
            return PoolWait(
                pool=self.name,
                size=self._size + self._overflow,
                in_use=self._in_use,
                acquired=self._acquired,
                waited=self._waited,
                total_seconds=self._timings.total_seconds,
                p95_seconds=self._timings.percentile(0.95),
                leaked=self._leaked,
                waiting=max(0, len(self._loans) - self._in_use),
                waited_seconds=self._waited_seconds,
            )

    def close(self) -> None:
        """Be watched no longer."""
        _watches.discard(self)
        for state in ("size", "in use", "overflow", "waiting"):
            POOL_CONNECTIONS.remove(self.name, state)

    def _show(self) -> None:
        """Have `/metrics` ask when it is read, so that to lend a connection costs nothing for it."""
        states = {
            "size": lambda: self._size,
            "in use": lambda: self._in_use,
            "overflow": lambda: max(0, self._in_use - self._size),
            "waiting": lambda: max(0, len(self._loans) - self._in_use),
        }
        for state, value in states.items():
            POOL_CONNECTIONS.labels(self.name, state).set_function(value)


_watches: WeakSet[PoolWatch] = WeakSet()


def pool_figures() -> tuple[PoolWait, ...]:
    """Return the figures of every open pool, by name."""
    return tuple(sorted((watch.figures() for watch in list(_watches)), key=lambda one: one.pool))


def report_held(seconds: float) -> list[Held]:
    """Log, with the stack that took it, each connection that is held for longer than that, once."""
    found = [held for watch in list(_watches) for held in watch.held_longer(seconds)]
    for held in found:
        _log.warning(
            "connection_not_given_back",
            pool=held.pool,
            held_seconds=round(held.seconds, 1),
            taken_by=list(held.stack),
        )
    return found


async def watch_pools(held_seconds: float) -> None:
    """Look for connections that are not given back, until cancelled."""
    while True:
        await asyncio.sleep(max(1.0, held_seconds / 4))
        report_held(held_seconds)
