"""The JSON of `/api/performance`: every figure with its unit in its name, every group with its window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

from pydantic import BaseModel, Field

from wireroom.api.bodies import iso, ms, short
from wireroom.api.statement_bodies import RepeatedBody, StatementBody
from wireroom.perf.bottlenecks import Cause
from wireroom.perf.evidence import (
    CacheRatio,
    EndpointFigures,
    LoopBlock,
    MemoryGrowth,
    PoolWait,
    QueueWait,
)
from wireroom.perf.history import Series
from wireroom.perf.history_reading import Depth, percentile_ms
from wireroom.perf.timings import Timings


class WindowBody(BaseModel):
    """What the tables of an answer are of."""

    name: str = Field(description="5m, 1h or 24h.")
    begins_at: str
    ends_at: str
    seconds: float = Field(description="Its real length: somewhat more than asked for, less after a start.")
    is_whole: bool = Field(description="False while the process is younger than the window.")


class ProcessBody(BaseModel):
    """Which process answers; another replica has figures of its own."""

    version: str
    pid: int
    started_at: str
    has_py_spy: bool = Field(description="Whether CPU profiles are taken from outside the process.")
    history_bytes: int = Field(description="What the history takes in memory.")
    history_most_bytes: int


class TotalsBody(BaseModel):
    """All routes together, over the window."""

    requests: int
    requests_per_second: float | None
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    @classmethod
    def of(cls, answers: Timings, errors: int, seconds: float) -> Self:
        """Return the totals of what was answered in so many seconds."""
        p50, p95, p99 = (short(percentile_ms(answers, share)) for share in (0.5, 0.95, 0.99))
        rate = short(answers.calls / max(seconds, 1e-9))
        return cls(
            requests=answers.calls,
            requests_per_second=rate,
            errors=errors,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )


class RouteBody(BaseModel):
    """One route over the window."""

    route: str
    calls: int
    errors: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    slowest_ms: float | None
    total_seconds: float | None

    @classmethod
    def of(cls, one: EndpointFigures) -> Self:
        """Return a route's figures as JSON."""
        return cls(
            route=one.route,
            calls=one.calls,
            errors=one.errors,
            p50_ms=ms(one.p50_seconds),
            p95_ms=ms(one.p95_seconds),
            p99_ms=ms(one.p99_seconds),
            slowest_ms=ms(one.slowest_seconds),
            total_seconds=short(one.total_seconds),
        )


class QueueBody(BaseModel):
    """One queue: its depth now, and what was started in the window."""

    queue: str
    waiting: int
    delayed: int
    running: int
    dead: int
    oldest_seconds: float | None = Field(description="How long the job that waits longest is due.")
    started: int
    p95_wait_ms: float | None = Field(description="From due to started; null when none was started.")

    @classmethod
    def of(cls, queue: str, depth: Depth, wait: QueueWait | None) -> Self:
        """Return a queue's figures as JSON."""
        return cls(
            queue=queue,
            waiting=depth.waiting,
            delayed=depth.delayed,
            running=depth.running,
            dead=depth.dead,
            oldest_seconds=short(depth.oldest_seconds) if depth.waiting else None,
            started=wait.started if wait else 0,
            p95_wait_ms=ms(wait.p95_seconds) if wait and wait.started else None,
        )


class CacheBody(BaseModel):
    """One level of one cache over the window."""

    name: str
    level: str
    hits: int
    misses: int
    hit_percent: float | None
    evictions: int

    @classmethod
    def of(cls, one: CacheRatio) -> Self:
        """Return a cache's figures as JSON."""
        looks = one.hits + one.misses
        return cls(
            name=one.name,
            level=one.level,
            hits=one.hits,
            misses=one.misses,
            hit_percent=short(100 * one.hits / looks) if looks else None,
            evictions=one.evictions,
        )


class PoolBody(BaseModel):
    """One pool: how it is now, and who waited in the window."""

    pool: str
    size: int
    busy: int
    waiting: int = Field(description="Callers that wait now.")
    acquired: int
    waited: int = Field(description="Of those acquired, how many found none free.")
    p95_wait_ms: float | None
    kept: int = Field(description="Not given back within the limit.")

    @classmethod
    def of(cls, one: PoolWait) -> Self:
        """Return a pool's figures as JSON."""
        return cls(
            pool=one.pool,
            size=one.size,
            busy=one.in_use,
            waiting=one.waiting,
            acquired=one.acquired,
            waited=one.waited,
            p95_wait_ms=ms(one.p95_seconds) if one.acquired else None,
            kept=one.leaked,
        )


class BlockBody(BaseModel):
    """One time that something held the event loop."""

    at: str
    ms: float | None
    task: str
    place: str

    @classmethod
    def of(cls, one: LoopBlock) -> Self:
        """Return a block as JSON."""
        return cls(at=iso(one.at_ms), ms=ms(one.seconds), task=one.task, place=one.place)


class GrowthBody(BaseModel):
    """Something that has grown for twenty minutes and never came back."""

    kind: str
    name: str
    before: int
    after: int
    seconds: float

    @classmethod
    def of(cls, one: MemoryGrowth) -> Self:
        """Return a growth as JSON."""
        return cls(kind=one.kind, name=one.name, before=one.before, after=one.after, seconds=one.seconds)


class MemoryBody(BaseModel):
    """What the process holds now."""

    resident_bytes: int
    allocated_blocks: int = Field(description="Pieces of memory that Python's objects hold.")
    growing: list[GrowthBody]


class CauseBody(BaseModel):
    """One thing that made people wait in the window."""

    kind: str
    what: str
    cost_seconds: float | None = Field(description="That people or their work waited for it; an estimate.")
    shown_by: list[str]
    advice: str

    @classmethod
    def of(cls, one: Cause) -> Self:
        """Return a cause as JSON."""
        return cls(
            kind=one.kind,
            what=one.what,
            cost_seconds=short(one.cost_seconds),
            shown_by=list(one.shown_by),
            advice=one.advice,
        )


class SeriesBody(BaseModel):
    """Rows to draw, oldest first; null where nothing is known."""

    row_seconds: int = Field(description="From one row to the next; rates and percentiles are of this time.")
    times_ms: list[int] = Field(description="Ends of the rows, milliseconds since the epoch.")
    columns: dict[str, list[float | None]]

    @classmethod
    def of(cls, series: Series, row_seconds: int) -> Self:
        """Return the rows as JSON."""
        columns: Mapping[str, Iterable[float]] = series.columns
        return cls(
            row_seconds=row_seconds,
            times_ms=list(series.times_ms),
            columns={name: [short(value) for value in values] for name, values in columns.items()},
        )


class PerformanceBody(BaseModel):
    """Everything that the screen shows, as of the last look at the process."""

    as_of: str
    window: WindowBody
    process: ProcessBody
    totals: TotalsBody
    routes: list[RouteBody]
    queues: list[QueueBody] | None = Field(description="null while the database does not answer.")
    caches: list[CacheBody]
    pools: list[PoolBody]
    loop_lag_ms: float | None = Field(description="The worst delay of the event loop in the last second.")
    loop_blocks: list[BlockBody] = Field(
        description="Of the window, as far as of the last hundred; newest first."
    )
    memory: MemoryBody
    statements: list[StatementBody] = Field(description="Those that took most time in all.")
    repeated: list[RepeatedBody]
    bottlenecks: list[CauseBody] = Field(description="What cost people most time, first.")
    series: SeriesBody
    percentiles: str = Field(description="How exact percentiles are.")
