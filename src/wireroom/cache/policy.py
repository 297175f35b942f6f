"""Whether a value may be kept, for how long, and when it is made anew before its end. Pure.

The rule of docs/adr/0016: a value made from rows is kept only where somebody tells of every change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from wireroom.cache.names import Cached, Source

UNTOLD = timedelta(seconds=1)
"""How old rows of PostgreSQL may be when a change of them was not told: the writer died in between, or is a
program that does not know us."""
_MOST_JITTER = 0.1


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Who tells this process of changes."""

    dialect: str
    """`sqlite`, which tells of every other process's commit, or `postgresql`, which does not."""
    hears_news: bool = False
    """The bus between the replicas is up."""


@dataclass(frozen=True, slots=True)
class Times:
    """When an entry was made, asks to be made anew, and ends; seconds of one clock."""

    made_at: float
    fresh_until: float
    expires_at: float


def keeping(what: Cached, around: Surroundings) -> timedelta | None:
    """Return how long such a value may be kept; None when it must be computed each time."""
    if what.source is not Source.ROWS or around.dialect == "sqlite":
        return what.ttl
    return min(what.ttl, UNTOLD) if around.hears_news else None


def times_of(now: float, ttl: float, cost: float, *, jitter: float, draw: float) -> Times:
    """Return an entry's times.

    expires_at = now + ttl * (1 - 0.1 * jitter)
    fresh_until = expires_at + cost * ln(draw)

    So values that were made together do not end together, and what costs more is made anew earlier, by one
    of many processes at a random moment rather than by all at the end.
    Source: Vattani, Chierichetti, Lowenstein, Optimal Probabilistic Cache Stampede Prevention, 2015.

    Args:
        now: The clock's reading.
        ttl: Seconds, > 0.
        cost: Seconds that the computation took.
        jitter: In [0, 1); the caller's draw.
        draw: In (0, 1]; another draw.
    """
    expires_at = now + ttl * (1 - _MOST_JITTER * jitter)
    return Times(now, max(now, expires_at + cost * math.log(draw)), expires_at)
