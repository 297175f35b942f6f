"""What was collected, and the figures of its requests and waits. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from wireroom.load.histogram import binned, merged, percentile
from wireroom.load.knee import Targets
from wireroom.load.ledger import Account
from wireroom.load.patterns import Extent, Pattern
from wireroom.load.samples import Promise, Second, Tally
from wireroom.load.server_figures import Sample

_MOST_ERRORS = 20

API_TARGETS = (
    ("GET /health", "p95", 10.0),
    ("POST /telegram/webhook", "p95", 200.0),
    ("POST /cursor/execute/async", "p95", 50.0),
    ("POST /cursor-runner/callback", "p95", 500.0),
    ("POST /agent-tools", "p95", 1_000.0),
    ("all requests", "mean", 100.0),
)
"""What the API promises: request, figure, and the milliseconds that it stays under."""


@dataclass(frozen=True, slots=True)
class Collected:
    """All that a measurement brought in."""

    pattern: Pattern
    extent: Extent
    began: float
    """`time.monotonic()` when the first people came."""
    seconds: Sequence[Second]
    samples: Sequence[Sample]
    answered_at: Mapping[str, float]
    called_back_at: Mapping[str, float]
    accounts: Sequence[Account]
    growth: Mapping[str, float]
    """Of the service's counters."""
    telegram_calls: Mapping[str, int]
    left_out: Sequence[str]
    """Who could not act, and why."""
    about: Mapping[str, str]
    """What was measured, and on which machine."""
    targets: Targets = field(default_factory=Targets)
    answers_seen: bool = True
    """Whether the chats could be looked at."""
    ended_early: str = ""
    """Why, if it was."""


class Row(msgspec.Struct, frozen=True):
    """One kind of request, or all."""

    name: str
    count: int
    failed: int
    per_second: float
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    most_ms: float | None
    errors: dict[str, int]


class Held(msgspec.Struct, frozen=True):
    """A target and what was measured."""

    name: str
    figure: str
    limit_ms: float
    measured_ms: float
    holds: bool


def row_of(name: str, tallies: Iterable[Tally], seconds: float) -> Row:
    """Return the figures of tallies taken together."""
    given = list(tallies)
    count = sum(tally.count for tally in given)
    bins = merged(tally.bins for tally in given)
    most_ms = max((tally.most_ms for tally in given), default=None)
    errors: Counter[str] = Counter()
    for tally in given:
        errors.update(tally.errors)
    return Row(
        name=name,
        count=count,
        failed=sum(tally.failed for tally in given),
        per_second=count / seconds,
        mean_ms=sum(tally.total_ms for tally in given) / count if count else None,
        p50_ms=_at_most(percentile(bins, 0.5), most_ms),
        p90_ms=_at_most(percentile(bins, 0.9), most_ms),
        p95_ms=_at_most(percentile(bins, 0.95), most_ms),
        p99_ms=_at_most(percentile(bins, 0.99), most_ms),
        most_ms=most_ms,
        errors=dict(errors.most_common(_MOST_ERRORS)),
    )


def _at_most(ms: float | None, most_ms: float | None) -> float | None:
    """Return the percentile; what a bin stands for may be a little more than all that fell into it."""
    return ms if ms is None or most_ms is None else min(ms, most_ms)


def request_rows(seconds: Sequence[Second], length: float) -> list[Row]:
    """Return a row a kind of request, by name."""
    names = sorted({name for one in seconds for name in one.requests})
    return [
        row_of(name, [one.requests[name] for one in seconds if name in one.requests], length)
        for name in names
    ]


def held_targets(rows: Sequence[Row]) -> list[Held]:
    """Return the targets of those requests that were made."""
    by_name = {row.name: row for row in rows}
    found = []
    for name, figure, limit_ms in API_TARGETS:
        row = by_name.get(name)
        measured = None if row is None else row.mean_ms if figure == "mean" else row.p95_ms
        if measured is not None:
            found.append(Held(name, figure, limit_ms, measured, measured < limit_ms))
    return found


def quick_tallies(second: Second) -> list[Tally]:
    """Return the tallies of requests; opening a stream is none, for its end may be counted with it."""
    return [tally for name, tally in second.requests.items() if not name.startswith("OPEN ")]


def wait_rows(data: Collected) -> list[Row]:
    """Return the times until answers and callbacks, a row a kind that there was."""
    asked = [promise for one in data.seconds for promise in one.asked]
    called = [promise for one in data.seconds for promise in one.called]
    texts = [promise for promise in asked if not promise.token.startswith("voice-")]
    voices = [promise for promise in asked if promise.token.startswith("voice-")]
    kinds = (
        ("message to its answer in the chat", texts, data.answered_at),
        ("voice message to its answer", voices, data.answered_at),
        ("request to its callback", called, data.called_back_at),
    )
    rows = [_wait_row(name, promises, at, data.extent.seconds) for name, promises, at in kinds]
    return [row for row in rows if row.count]


def _wait_row(name: str, promises: Sequence[Promise], at: Mapping[str, float], seconds: float) -> Row:
    waits = waits_ms(promises, at)
    tally = Tally(len(waits), 0, sum(waits), max(waits, default=0.0), binned(waits), {})
    return row_of(name, [tally], seconds)


def waits_ms(promises: Iterable[Promise], at: Mapping[str, float]) -> list[float]:
    """Return how long each promise that was kept took, in ms."""
    return [(at[one.token] - one.at) * 1000 for one in promises if one.token in at]
