"""What is slow, and why: ranks the causes in a period's evidence by the time they cost people. Pure.

Each rule looks at one kind of evidence and names causes with what they cost, what shows it and what to do.
The costs are estimates on one scale, seconds that people or their work waited, so that a missing index and a
blocked event loop can be held against each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wireroom.perf.evidence import Evidence, LoopBlock, MemoryGrowth

LEAST_COST_SECONDS = 0.01
"""What costs less in a whole period is not worth a line."""
_FEW_LOOKS = 20
_POOR_RATIO = 0.5
_GOOD_RATIO = 0.85
_SLOW_STATEMENT_SECONDS = 0.02
_SLOW_ROUTE_SECONDS = 0.1
_FREE_WAIT_SECONDS = 0.005
"""A wait that every job or caller has, however idle the service is."""
_INDEX_SPARES = 0.9
"""Share of a scan's time that an index spares, in a table that has grown."""
_ROUND_TRIP_SECONDS = 0.0002
"""To the thread or the server that answers a statement and back, beside what the statement itself takes."""
_MIB = 1024 * 1024


class CauseKind(StrEnum):
    """Kinds of bottleneck."""

    BLOCKED_LOOP = "blocked loop"
    MISSING_INDEX = "missing index"
    SLOW_STATEMENT = "slow statement"
    N_PLUS_ONE = "one query a row"
    USELESS_CACHE = "useless cache"
    SMALL_POOL = "small pool"
    KEPT_CONNECTIONS = "connections not given back"
    BUSY_QUEUE = "busy queue"
    LEAK = "leak"
    SLOW_ROUTE = "slow route"


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that makes people wait."""

    kind: CauseKind
    what: str
    """Which: a place in our code, a table, a pool, a queue."""
    cost_seconds: float
    """How long people or their work waited for it in the period; an estimate."""
    shown_by: tuple[str, ...]
    """The evidence, a sentence each."""
    advice: str


@dataclass(frozen=True, slots=True)
class Bottlenecks:
    """The causes of one period, the dearest first."""

    from_ms: int
    to_ms: int
    seconds: float
    causes: tuple[Cause, ...]


def rank(evidence: Evidence) -> Bottlenecks:
    """Return what cost people time in the period, the dearest first; nothing when all is well."""
    found = [cause for rule in _RULES for cause in rule(evidence)]
    worth = [cause for cause in found if cause.cost_seconds >= LEAST_COST_SECONDS]
    worth.sort(key=lambda cause: (-cause.cost_seconds, cause.kind, cause.what))
    return Bottlenecks(evidence.from_ms, evidence.to_ms, evidence.seconds, tuple(worth))


def _blocked_loop(evidence: Evidence) -> list[Cause]:
    by_place: dict[str, list[LoopBlock]] = defaultdict(list)
    for block in evidence.loop_blocks:
        by_place[block.place or block.task or "unknown"].append(block)
    at_once = _requests_at_once(evidence)
    causes = []
    for place, blocks in by_place.items():
        held = sum(block.seconds for block in blocks)
        longest = max(block.seconds for block in blocks)
        shown = [f"It held the event loop {len(blocks)} times, {held:.2f} s in all, {longest:.2f} s at most."]
        if at_once > 1:
            shown.append(f"About {at_once:.1f} requests were under way and stood still with it.")
        if task := blocks[-1].task:
            shown.append(f"In the task “{task}”.")
        advice = "Move the work to a thread (`asyncio.to_thread`) or cut it into pieces that yield."
        causes.append(Cause(CauseKind.BLOCKED_LOOP, place, held * max(1.0, at_once), tuple(shown), advice))
    return causes


def _requests_at_once(evidence: Evidence) -> float:
    """Return how many requests were under way on average (Little's law)."""
    return sum(one.total_seconds for one in evidence.endpoints) / max(evidence.seconds, 1e-9)


def _missing_index(evidence: Evidence) -> list[Cause]:
    return [
        Cause(
            CauseKind.MISSING_INDEX,
            f"{', '.join(one.scans)} in {one.place or one.shape}",
            one.total_seconds * _INDEX_SPARES,
            (
                f"{one.calls} calls took {one.total_seconds:.2f} s, {one.p95_seconds * 1000:.1f} ms at p95.",
                f"The database walks the whole table: {one.plan or ', '.join(one.scans)}",
                f"Statement: {one.shape}",
            ),
            "Add an index on the columns of its WHERE and ORDER BY, and a test that reads the plan.",
        )
        for one in evidence.statements
        if one.scans
    ]


def _slow_statement(evidence: Evidence) -> list[Cause]:
    repeated = {one.shape for one in evidence.repeated}
    return [
        Cause(
            CauseKind.SLOW_STATEMENT,
            one.place or one.shape,
            one.total_seconds,
            (
                f"{one.calls} calls took {one.total_seconds:.2f} s, {one.slowest_seconds:.2f} s the slowest.",
                f"Statement: {one.shape}",
            ),
            "Read less: fewer columns, a page instead of all, a figure that is kept instead of counted.",
        )
        for one in evidence.statements
        if not one.scans
        and one.shape not in repeated
        and one.total_seconds >= one.calls * _SLOW_STATEMENT_SECONDS
    ]


def _one_query_a_row(evidence: Evidence) -> list[Cause]:
    return [
        Cause(
            CauseKind.N_PLUS_ONE,
            one.place or one.shape,
            one.total_seconds + one.most_times * one.occurrences * _ROUND_TRIP_SECONDS,
            (
                f"{one.within} said it up to {one.most_times} times, {one.occurrences} of its calls did.",
                f"All the repetitions took {one.total_seconds:.2f} s.",
                f"Statement: {one.shape}",
            ),
            "Ask once for all rows: a JOIN, or `WHERE id IN (…)`.",
        )
        for one in evidence.repeated
    ]


def _useless_cache(evidence: Evidence) -> list[Cause]:
    causes = []
    for one in evidence.caches:
        looks = one.hits + one.misses
        ratio = one.hits / looks if looks else 1.0
        if looks < _FEW_LOOKS or ratio >= _POOR_RATIO:
            continue
        spared = one.total_miss_seconds * (_GOOD_RATIO - ratio)
        cost = f"the misses cost {one.total_miss_seconds:.2f} s"
        shown = [f"{ratio:.0%} of {looks} looks found something; {cost}."]
        if one.evictions:
            shown.append(f"{one.evictions} values were put out for want of room.")
        advice = (
            "Give it more room: values go before they are used again."
            if one.evictions > one.misses / 2
            else "Look at its key and its time: either no question comes twice, or it is forgotten too soon."
        )
        causes.append(
            Cause(CauseKind.USELESS_CACHE, f"{one.name} ({one.level})", spared, tuple(shown), advice)
        )
    return causes


def _pools(evidence: Evidence) -> list[Cause]:
    causes = []
    for one in evidence.pools:
        if one.waited:
            callers = f"{one.waited} of {one.acquired} callers found none of {one.size} free"
            shown = (
                f"{callers}: they waited {one.waited_seconds:.2f} s in all.",
                f"All callers waited {one.p95_seconds * 1000:.1f} ms at p95.",
            )
            advice = "Make it larger, or hold a connection for a shorter time: no waiting while one is held."
            causes.append(Cause(CauseKind.SMALL_POOL, one.pool, one.waited_seconds, shown, advice))
        if one.leaked:
            kept = f"{one.leaked} of {one.size} connections were kept beyond the limit."
            advice = "The log names who took them (connection_not_given_back)."
            cost = evidence.seconds * one.leaked / one.size
            causes.append(Cause(CauseKind.KEPT_CONNECTIONS, one.pool, cost, (kept,), advice))
    return causes


def _busy_queue(evidence: Evidence) -> list[Cause]:
    causes = []
    for one in evidence.queues:
        cost = one.total_seconds - one.started * _FREE_WAIT_SECONDS
        if one.p95_seconds <= 2 * _FREE_WAIT_SECONDS and not one.waiting:
            continue
        # Who still waits has waited half of the period on average, as far as anybody knows.
        cost += one.waiting * evidence.seconds / 2
        waits = f"{one.total_seconds:.2f} s in all, {one.p95_seconds:.3f} s at p95"
        shown = [f"{one.started} jobs waited {waits}."]
        if one.waiting:
            shown.append(f"{one.waiting} wait now" + (f", {one.slots} run at once." if one.slots else "."))
        advice = "More slots if the machine has room; else shorter jobs, or a second worker."
        causes.append(Cause(CauseKind.BUSY_QUEUE, one.queue, cost, tuple(shown), advice))
    return causes


def _leaks(evidence: Evidence) -> list[Cause]:
    advice = "`wireroom profile memory` names the lines that hold it: what is added and never removed?"
    return [
        Cause(
            CauseKind.LEAK,
            f"{one.kind}: {one.name}",
            _cost_of_growth(one, evidence.seconds),
            (f"{_amount(one, one.before)} became {_amount(one, one.after)} in {one.seconds:.0f} s.",),
            advice,
        )
        for one in evidence.growth
        if one.is_steady
    ]


def _cost_of_growth(growth: MemoryGrowth, seconds: float) -> float:
    """Return the share of the period by which it grew: what doubles in an hour ends the service in a few."""
    return min(1.0, (growth.after - growth.before) / max(1, growth.before)) * seconds


def _amount(growth: MemoryGrowth, value: int) -> str:
    return f"{value / _MIB:.0f} MiB" if growth.kind in {"rss", "allocations"} else str(value)


def _slow_route(evidence: Evidence) -> list[Cause]:
    """Name routes that are slow for none of the reasons above."""
    explained = sum(
        cause.cost_seconds for rule in _RULES if rule is not _slow_route for cause in rule(evidence)
    )
    return [
        Cause(
            CauseKind.SLOW_ROUTE,
            one.route,
            max(0.0, one.total_seconds - one.calls * _SLOW_ROUTE_SECONDS - explained),
            (
                f"{one.calls} calls, {one.errors} errors.",
                f"p50 {one.p50_seconds * 1000:.0f} ms, p95 {one.p95_seconds * 1000:.0f} ms.",
                "No statement, cache, pool or queue accounts for it.",
            ),
            "`wireroom profile cpu` while it is called shows where the time goes.",
        )
        for one in evidence.endpoints
        if one.p50_seconds > _SLOW_ROUTE_SECONDS
    ]


Rule = Callable[[Evidence], Sequence[Cause]]
_RULES: tuple[Rule, ...] = (
    _blocked_loop,
    _missing_index,
    _slow_statement,
    _one_query_a_row,
    _useless_cache,
    _pools,
    _busy_queue,
    _leaks,
    _slow_route,
)
