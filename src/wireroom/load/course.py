"""A measurement over time, and by load. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from wireroom.load.figures import Collected, quick_tallies, waits_ms
from wireroom.load.histogram import binned, merged, percentile
from wireroom.load.knee import Step
from wireroom.load.patterns import STEPS, Extent, step_at
from wireroom.load.samples import Promise, Second
from wireroom.load.server_figures import Sample

MIB = 1024 * 1024
_MOST_POINTS = 120
_HALF_SECOND = 0.5
"""From the middle of what a line tells to the moment it is written."""
_SETTLING_SHARE = 0.2
"""Of a step: not counted, because what the step before left over is still being worked off."""


class Moment(msgspec.Struct, frozen=True):
    """A piece of the course over time."""

    second: float
    people: int
    per_second: float
    failed_per_second: float
    p50_ms: float | None
    p99_ms: float | None
    answer_p50_ms: float | None
    answer_p99_ms: float | None


class Reading(msgspec.Struct, frozen=True):
    """One look at the service and the machine."""

    second: float
    rss_mib: float | None
    cpu_percent: float | None
    people_cpu_percent: float | None
    outside_cpu_percent: float | None
    machine_percent: float | None
    gauges: dict[str, float]


def steps_of(data: Collected) -> list[Step]:
    """Return what each load of a stress measurement did, without the time in which it settled."""
    length = data.extent.seconds / STEPS
    seconds: dict[int, list[Second]] = {}
    asked: dict[int, list[Promise]] = {}
    for one in data.seconds:
        at = one.at - data.began
        if 0 <= at < data.extent.seconds and at % length >= length * _SETTLING_SHARE:
            seconds.setdefault(step_at(at, data.extent), []).append(one)
    for promise in (promise for one in data.seconds for promise in one.asked):
        asked.setdefault(step_at(promise.at - data.began, data.extent), []).append(promise)
    return [_step(data, seconds[number], asked.get(number, [])) for number in sorted(seconds)]


def piece_seconds(extent: Extent) -> float:
    """Return how long a piece of the course is, so that there are at most 120."""
    return max(1.0, extent.seconds / _MOST_POINTS)


def course_of(data: Collected) -> list[Moment]:
    """Return the course over time in at most 120 pieces."""
    width = piece_seconds(data.extent)
    pieces: dict[int, list[Second]] = {}
    answers: dict[int, list[float]] = {}
    for one in data.seconds:
        pieces.setdefault(int((one.at - data.began - _HALF_SECOND) / width), []).append(one)
        for promise in one.asked:
            if promise.token in data.answered_at:
                wait_ms = (data.answered_at[promise.token] - promise.at) * 1000
                answers.setdefault(int((promise.at - data.began) / width), []).append(wait_ms)
    return [_moment(number, width, pieces[number], answers.get(number, [])) for number in sorted(pieces)]


def _step(data: Collected, seconds: Sequence[Second], asked: Sequence[Promise]) -> Step:
    tallies = [tally for one in seconds for tally in quick_tallies(one)]
    count = sum(tally.count for tally in tallies)
    unanswered = sum(one.acknowledged and one.token not in data.answered_at for one in asked)
    return Step(
        people=max(one.people for one in seconds),
        per_second=count / len(seconds),
        p99_ms=percentile(merged(tally.bins for tally in tallies), 0.99),
        failed_share=sum(tally.failed for tally in tallies) / count if count else 0.0,
        answer_p99_ms=percentile(binned(waits_ms(asked, data.answered_at)), 0.99),
        unanswered=unanswered if data.answers_seen else 0,
    )


def _moment(number: int, width: float, seconds: Sequence[Second], answers_ms: Sequence[float]) -> Moment:
    tallies = [tally for one in seconds for tally in quick_tallies(one)]
    bins = merged(tally.bins for tally in tallies)
    answers = binned(answers_ms)
    return Moment(
        second=number * width,
        people=max(one.people for one in seconds),
        per_second=sum(tally.count for tally in tallies) / len(seconds),
        failed_per_second=sum(tally.failed for tally in tallies) / len(seconds),
        p50_ms=percentile(bins, 0.5),
        p99_ms=percentile(bins, 0.99),
        answer_p50_ms=percentile(answers, 0.5),
        answer_p99_ms=percentile(answers, 0.99),
    )


def reading_of(sample: Sample, began: float) -> Reading:
    """Return a sample as it is reported."""
    return Reading(
        second=sample.at - began,
        rss_mib=None if sample.rss_bytes is None else sample.rss_bytes / MIB,
        cpu_percent=_percent(sample.cpu_share),
        people_cpu_percent=_percent(sample.people_cpu_share),
        outside_cpu_percent=_percent(sample.outside_cpu_share),
        machine_percent=_percent(sample.machine_share),
        gauges=dict(sample.gauges),
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100
