"""Takes a profile of the running process on request: one at a time, for a bounded time, never by itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from types import FrameType

from wireroom.errors import BadInput, Conflict
from wireroom.perf.endpoints import ENDPOINTS, Endpoints
from wireroom.perf.evidence import EndpointFigures, LoopBlock, MemoryGrowth, StatementFigures
from wireroom.perf.loop_lag import LoopWatch, is_waiting
from wireroom.perf.profile_flame import Unit, in_unit
from wireroom.perf.profile_memory import trace_allocations
from wireroom.perf.profile_pyspy import find_py_spy, record
from wireroom.perf.profile_sampler import Sampler, Samples
from wireroom.perf.profile_samples import Hot, Sampled, by_root, hottest, weight_of

LONGEST_SECONDS = 60.0
_MOST = 30
BeginStatements = Callable[[], Callable[[], Sequence[StatementFigures]]]
"""Called when a period begins; what it returns is called at the end and gives the period's figures."""


class ProfileKind(StrEnum):
    """What can be looked into."""

    CPU = "cpu"
    """Which code the processor worked on, in all threads."""
    MEMORY = "memory"
    """Which code holds the memory that was asked for."""
    SQL = "sql"
    """Which statements took most time."""
    LOOP = "loop"
    """Which tasks the event loop was busy with, and who blocked it."""


@dataclass(frozen=True, slots=True)
class CpuReport:
    """What the processor worked on."""

    seconds: float
    taken_by: str
    """`py-spy`, or `within` for our own sampler."""
    cpu_seconds: float
    own_seconds: float
    """CPU time that looking took; 0 for py-spy, which is another process."""
    threads: Mapping[str, float]
    """CPU seconds of each."""
    ours: Sequence[Hot]
    hottest: Sequence[Hot]


@dataclass(frozen=True, slots=True)
class LoopReport:
    """What the event loop was busy with."""

    seconds: float
    busy_seconds: float
    own_seconds: float
    """CPU time that looking took."""
    tasks: Mapping[str, float]
    """Seconds that each held the loop; the empty name is plain callbacks."""
    blocks: Sequence[LoopBlock]
    ours: Sequence[Hot]
    hottest: Sequence[Hot]


@dataclass(frozen=True, slots=True)
class MemoryReport:
    """What the period left in memory."""

    seconds: float
    ended_early: bool
    """Whether there was too much to note it all; the seconds say how far it came."""
    held_bytes: int
    peak_bytes: int
    growth: Sequence[MemoryGrowth]
    ours: Sequence[Hot]
    """Bytes by our lines that asked for them, directly or through libraries."""
    hottest: Sequence[Hot]


@dataclass(frozen=True, slots=True)
class SqlReport:
    """What the database was asked, the dearest first."""

    seconds: float
    total_seconds: float
    statements: Sequence[StatementFigures]


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """How the routes answered, the one with most time in all first."""

    seconds: float | None
    """None: since the start of the process."""
    endpoints: Sequence[EndpointFigures]


@dataclass(frozen=True, slots=True)
class WatchReport:
    """What the watches that never end have noticed."""

    blocks: Sequence[LoopBlock]
    """The last hundred, oldest first."""
    growth: Sequence[MemoryGrowth]
    """What has grown for twenty minutes and never came back."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A profile: its report and, where there is one, what its picture is drawn from."""

    report: CpuReport | LoopReport | MemoryReport | SqlReport
    unit: Unit = "seconds"
    samples: tuple[Sampled, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)


class Profiler:
    """Looks into its own process when asked to."""

    def __init__(
        self,
        loop_watch: LoopWatch,
        statements: BeginStatements,
        *,
        growth: Callable[[], Sequence[MemoryGrowth]] = tuple,
        endpoints: Endpoints = ENDPOINTS,
        py_spy: Callable[[], str | None] = find_py_spy,
    ) -> None:
        """Take figures from these.

        Args:
            loop_watch: Knows the loop's thread and its blocks.
            statements: Begins to look at statements.
            growth: Tells what grows and does not come back.
            endpoints: Counts requests.
            py_spy: Finds the program; None: profiles are taken from within.
        """
        self._loop_watch = loop_watch
        self._statements = statements
        self._growth = growth
        self._endpoints = endpoints
        self._py_spy = py_spy
        self._busy_with: tuple[str, float] | None = None

    @property
    def has_py_spy(self) -> bool:
        """Whether CPU profiles are taken from outside; without it, or without its right, from within."""
        return self._py_spy() is not None

    async def take(self, kind: ProfileKind, seconds: float, *, within: bool = False) -> Taken:
        """Look for so long, and report.

        Args:
            kind: What to look into.
            seconds: For how long, more than 0 and at most 60.
            within: Take a CPU profile from within, even where py-spy may look.

        Raises:
            BadInput: not more than 0 and at most 60 seconds.
            Conflict: another profile is being taken.
        """
        with self._alone(kind, seconds):
            match kind:
                case ProfileKind.CPU:
                    return await self._cpu(seconds, None if within else self._py_spy())
                case ProfileKind.LOOP:
                    return await self._loop(seconds)
                case ProfileKind.MEMORY:
                    return await _memory(seconds)
                case ProfileKind.SQL:
                    return await self._sql(seconds)

    async def endpoints(self, seconds: float | None) -> EndpointReport:
        """Return how routes answered since the start, or within the next seconds.

        Raises:
            BadInput, Conflict: as `take`.
        """
        if seconds is None:
            return EndpointReport(None, self._endpoints.figures())
        with self._alone("endpoints", seconds):
            before = self._endpoints.snapshot()
            await asyncio.sleep(seconds)
            return EndpointReport(seconds, self._endpoints.figures(before))

    def watches(self) -> WatchReport:
        """Return what the watches have noticed until now."""
        return WatchReport(self._loop_watch.blocks, self._growth())

    @contextmanager
    def _alone(self, what: str, seconds: float) -> Iterator[None]:
        if not 0 < seconds <= LONGEST_SECONDS:
            raise BadInput(f"seconds must be more than 0 and at most {LONGEST_SECONDS:.0f}.")
        if self._busy_with is not None:
            kind, until = self._busy_with
            left = max(1, round(until - time.monotonic()))
            raise Conflict(f"A profile ({kind}) is being taken; ask again in {left} s.")
        self._busy_with = (what, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._busy_with = None

    async def _cpu(self, seconds: float, program: str | None) -> Taken:
        began = time.monotonic()
        seen = None if program is None else await record(program, seconds)
        if seen is not None:
            took = time.monotonic() - began
            return _cpu_taken(tuple(seen), took, taken_by="py-spy", own_seconds=0.0)
        samples = await _sample(Sampler(), seconds)
        return _cpu_taken(
            samples.samples, samples.seconds, taken_by="within", own_seconds=samples.own_seconds
        )

    async def _loop(self, seconds: float) -> Taken:
        from_ms = time.time() * 1000
        sampler = Sampler(
            only_thread=self._loop_watch.loop_thread,
            root=self._loop_watch.task_at_work,
            leave_out=_waits,
        )
        seen = await _sample(sampler, seconds)
        busy = weight_of(seen.samples)
        report = LoopReport(
            seconds=seen.seconds,
            busy_seconds=busy,
            own_seconds=seen.own_seconds,
            tasks=by_root(seen.samples),
            blocks=[block for block in self._loop_watch.blocks if block.at_ms >= from_ms],
            ours=hottest(seen.samples, _MOST, only_ours=True),
            hottest=hottest(seen.samples, _MOST),
        )
        facts = {
            "period": f"{seen.seconds:.1f} s",
            "loop at work": f"{busy:.2f} s ({busy / seen.seconds:.0%})",
        }
        return Taken(report, samples=seen.samples, facts=facts)

    async def _sql(self, seconds: float) -> Taken:
        figures_now = self._statements()
        await asyncio.sleep(seconds)
        statements = figures_now()
        total = sum(one.total_seconds for one in statements)
        dearest = sorted(statements, key=lambda one: -one.total_seconds)[:_MOST]
        return Taken(SqlReport(seconds, total, dearest))


async def _sample(sampler: Sampler, seconds: float) -> Samples:
    sampler.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        seen = sampler.stop()
    return seen


def _cpu_taken(samples: tuple[Sampled, ...], seconds: float, *, taken_by: str, own_seconds: float) -> Taken:
    used = weight_of(samples)
    report = CpuReport(
        seconds=seconds,
        taken_by=taken_by,
        cpu_seconds=used,
        own_seconds=own_seconds,
        threads=by_root(samples),
        ours=hottest(samples, _MOST, only_ours=True),
        hottest=hottest(samples, _MOST),
    )
    facts = {"period": f"{seconds:.1f} s", "at work": in_unit(used, "seconds"), "taken by": taken_by}
    return Taken(report, samples=samples, facts=facts)


async def _memory(seconds: float) -> Taken:
    found = await trace_allocations(seconds)
    report = MemoryReport(
        seconds=found.seconds,
        ended_early=found.ended_early,
        held_bytes=found.held_bytes,
        peak_bytes=found.peak_bytes,
        growth=found.growth,
        ours=hottest(found.samples, _MOST, only_ours=True),
        hottest=hottest(found.samples, _MOST),
    )
    facts = {
        "period": f"{found.seconds:.1f} s",
        "held": in_unit(found.held_bytes, "bytes"),
        "at most": in_unit(found.peak_bytes, "bytes"),
    }
    return Taken(report, unit="bytes", samples=found.samples, facts=facts)


def _waits(frame: FrameType) -> bool:
    return is_waiting(((frame.f_code, frame.f_lineno),))
