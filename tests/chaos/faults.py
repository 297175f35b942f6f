"""Which faults happen when: a schedule drawn from a seed. Pure; `chaos.hands` carries it out."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What goes wrong."""

    KILL = "kill -9"
    """A process dies at once and is started again."""
    FREEZE = "SIGSTOP"
    """A process sleeps past its lease and wakes up."""
    END = "SIGTERM"
    """A process ends in order and is started again."""
    HOLD = "network held"
    """Nothing passes between a process and the database; afterwards its old connections are dead."""
    CUT = "network cut"
    """A process's connections to the database break, and new ones are refused."""
    LOSE = "answers lost"
    """The database does what a process asks, and now and then the connection breaks before the answer."""
    SLOW = "network slow"
    """Every piece of data between a process and the database is late."""
    DATABASE_RESTART = "PostgreSQL fast restart"
    """The database ends every session and comes back."""
    DATABASE_CRASH = "PostgreSQL kill -9"
    """The database dies, and recovers from its log."""
    REDIS_FLUSH = "Redis flushed"
    """Redis forgets everything."""
    REDIS_STOP = "Redis stopped"
    """Redis dies, and comes back empty."""
    TELEGRAM_FLOOD = "Telegram 429"
    """Telegram asks to wait."""
    TELEGRAM_BROKEN = "Telegram 500"
    """Telegram fails."""
    TELEGRAM_SILENT = "Telegram hangs"
    """Telegram takes requests and answers none."""


OF_A_MEMBER = frozenset({Kind.KILL, Kind.FREEZE, Kind.END, Kind.HOLD, Kind.CUT, Kind.LOSE, Kind.SLOW})
"""Faults that one process has; the others concern everybody."""

_SECONDS: dict[Kind, tuple[float, float]] = {
    Kind.KILL: (0.0, 3.0),
    Kind.FREEZE: (6.0, 11.0),
    Kind.END: (0.0, 2.0),
    Kind.HOLD: (3.0, 10.0),
    Kind.CUT: (1.0, 9.0),
    Kind.LOSE: (3.0, 8.0),
    Kind.SLOW: (2.0, 6.0),
    Kind.DATABASE_RESTART: (0.0, 1.0),
    Kind.DATABASE_CRASH: (0.0, 3.0),
    Kind.REDIS_FLUSH: (0.0, 0.0),
    Kind.REDIS_STOP: (1.0, 6.0),
    Kind.TELEGRAM_FLOOD: (2.0, 5.0),
    Kind.TELEGRAM_BROKEN: (2.0, 5.0),
    Kind.TELEGRAM_SILENT: (2.0, 5.0),
}
"""How long each lasts, at least and at most: a worker keeps its jobs for 5 s without a sign of life."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of the schedule."""

    at_seconds: float
    """When it begins, since the load began."""
    lasts_seconds: float
    """When it is lifted after that; the process or store is then started again."""
    kind: Kind
    member: str
    """The process that has it; empty for everybody."""

    @property
    def where(self) -> str:
        """What fails: the process, or one of those that everybody needs."""
        return self.member or self.kind.split()[0]

    @property
    def ends_seconds(self) -> float:
        """When it is lifted, since the load began."""
        return self.at_seconds + self.lasts_seconds


def schedule(
    seed: int,
    seconds: float,
    members: Sequence[str],
    *,
    first_seconds: float = 2.0,
    pause_seconds: tuple[float, float] = (1.0, 4.0),
    overlap: float = 0.35,
) -> list[Fault]:
    """Return the faults of a load that lasts so long, in order of their beginning.

    Kinds are dealt like cards, so that each comes before any comes twice. A member has one fault at a time,
    and so has everybody; one fault of a member and one of everybody may happen together. All are lifted
    before the load ends.

    Args:
        seed: The same seed and arguments give the same schedule.
        seconds: How long the load lasts.
        members: Names of the processes.
        first_seconds: When the first may begin.
        pause_seconds: Least and greatest time between the end of a fault and the next.
        overlap: Share of faults that begin while the one before is still in force.
    """
    draw = random.Random(seed)  # noqa: S311 - the same chances in every run, no secret
    busy: dict[str, float] = {}
    found: list[Fault] = []
    at = first_seconds
    for kind in _dealt(draw):
        member = draw.choice(sorted(members)) if kind in OF_A_MEMBER else ""
        begin = max(at, busy.get(member, 0.0))
        fault = Fault(round(begin, 2), round(draw.uniform(*_SECONDS[kind]), 2), kind, member)
        if fault.ends_seconds > seconds:
            return sorted(found, key=lambda one: one.at_seconds)
        found.append(fault)
        pause = draw.uniform(*pause_seconds)
        busy[member] = fault.ends_seconds + pause
        together = draw.random() < overlap
        at = begin + pause if together else max(at, fault.ends_seconds) + pause
    raise AssertionError("the cards never end")


def _dealt(draw: random.Random) -> Iterator[Kind]:
    """Yield all kinds in a random order, again and again."""
    while True:
        yield from draw.sample(list(Kind), len(Kind))
