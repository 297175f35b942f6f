"""What a period left to judge the service by: plain values of the probes, which the analysis ranks.

Nothing here measures or decides. Seconds are wall-clock seconds, times are milliseconds since the epoch, and
every total covers one period, so that figures of two kinds can be compared: what did this cost people?
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LoopBlock:
    """One time that the event loop stood still, and who held it."""

    at_ms: int
    """When it was noticed, milliseconds since the epoch."""
    seconds: float
    """How long the loop stood still, without the time in which the machine gave it no processor."""
    task: str
    """Name of the task that held it; empty when a plain callback did, or nobody knows."""
    place: str
    """The innermost line of our code on the loop's stack: `intake/accept.py:81 accept`; empty: none."""
    stack: tuple[str, ...]
    """The loop's stack as seen in the middle of it, outermost first, each line as `place`."""


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """How one route answered."""

    route: str
    """Method and template, never a raw path: `GET /api/runs/{run_id}`."""
    calls: int
    errors: int
    """Answers of 500 and above, and calls that ended without an answer."""
    total_seconds: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    slowest_seconds: float


@dataclass(frozen=True, slots=True)
class StatementFigures:
    """What one shape of statement cost."""

    shape: str
    """The statement without its values, white space put in order."""
    calls: int
    total_seconds: float
    slowest_seconds: float
    p95_seconds: float = 0.0
    rows: int = 0
    """Rows read or changed in all, as far as the driver says."""
    place: str = ""
    """Where in our code it is said: `runs/queries.py:40 list_runs`; empty: unknown."""
    plan: str = ""
    """The database's own plan of the slowest call, empty unless it was looked at."""
    scans: tuple[str, ...] = ()
    """Tables that the plan walks as a whole."""


@dataclass(frozen=True, slots=True)
class RepeatedStatement:
    """A shape that one request or job said again and again: most likely one query a row (N+1)."""

    shape: str
    place: str
    """Where in our code it is said."""
    within: str
    """The route template, or the kind of job, that said it."""
    most_times: int
    """How often in the worst of them."""
    occurrences: int
    """Requests or jobs that repeated it beyond the limit."""
    total_seconds: float
    """Time of all the repetitions."""


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """Something of which there is more at the end of a period than at its beginning."""

    kind: str
    """`rss`, `allocations`, `objects`, `tasks` or `descriptors`."""
    name: str
    """Which: a line of code, a type, a task's name, a kind of descriptor; `process` for `rss`."""
    before: int
    after: int
    """Bytes for `rss` and `allocations`, else a count."""
    seconds: float
    """Length of the period."""
    is_steady: bool = False
    """Whether it grew in every part of the period and never came back: a leak until shown otherwise."""


@dataclass(frozen=True, slots=True)
class CacheRatio:
    """How often one level of one cache had the answer."""

    name: str
    level: str
    """`memory`, `redis` or `disk`."""
    hits: int
    misses: int
    evictions: int = 0
    total_miss_seconds: float = 0.0
    """Time that was spent on computing what the level did not have."""


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long jobs of one queue waited, from due to started."""

    queue: str
    started: int
    total_seconds: float
    p95_seconds: float
    waiting: int = 0
    """Jobs that wait at the end of the period."""
    slots: int = 0
    """Jobs that may run at once; 0: not known."""


@dataclass(frozen=True, slots=True)
class PoolWait:
    """How long callers waited for a pooled connection."""

    pool: str
    """`postgres`, `redis`, `http` or `sqlite readers`."""
    size: int
    """Connections that it may have, overflow included."""
    in_use: int
    """At the end of the period."""
    acquired: int
    waited: int
    """How many of these found none free."""
    total_seconds: float
    p95_seconds: float = 0.0
    leaked: int = 0
    """Connections that were taken and not given back for longer than the limit."""
    waiting: int = 0
    """Callers that wait for one at the end of the period."""
    waited_seconds: float = 0.0
    """How long those waited who found none free; all others wait for the machine alone."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that is known of one period."""

    from_ms: int
    to_ms: int
    loop_blocks: tuple[LoopBlock, ...] = ()
    endpoints: tuple[EndpointFigures, ...] = ()
    statements: tuple[StatementFigures, ...] = ()
    repeated: tuple[RepeatedStatement, ...] = ()
    growth: tuple[MemoryGrowth, ...] = ()
    caches: tuple[CacheRatio, ...] = ()
    queues: tuple[QueueWait, ...] = ()
    pools: tuple[PoolWait, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the period."""
        return (self.to_ms - self.from_ms) / 1000
