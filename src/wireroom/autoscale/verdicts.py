"""What a simulation proves, or not. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from wireroom.autoscale.course import Change, Course, demand, percentile

STABLE_SECONDS = 300.0
"""Within this time no change of scale should be undone: the API's own window, whatever was configured."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One promise."""

    name: str
    holds: bool
    words: str


def judge(course: Course, *, wait_target_seconds: float) -> list[Verdict]:
    """Return whether a simulation keeps the promises.

    No flapping; no work lost, doubled, or taken from a worker; short waits.

    Args:
        course: What happened.
        wait_target_seconds: What 95 of 100 waits must stay under, of the jobs that arrive in the spike if
            there is one, else of all.
    """
    flaps = flapping(course)
    lost = course.arrived - course.finished
    waits = waits_of(course)
    p95 = percentile(waits, 0.95)
    return [
        Verdict("flapping", not flaps, _flap_words(course.changes, flaps)),
        Verdict("work lost", lost == 0, f"{lost} of {course.arrived}"),
        Verdict("run by two", course.doubled == 0, str(course.doubled)),
        Verdict("interrupted", course.interrupted == 0, f"{course.interrupted} given back and begun again"),
        Verdict(
            "wait p95",
            p95 <= wait_target_seconds,
            f"{p95:.1f} s of {len(waits)} {'in the spike' if course.spike else 'jobs'}, target"
            f" {wait_target_seconds:g} s; most {max(waits, default=0.0):.1f} s",
        ),
    ]


def summary(course: Course, slots: int) -> str:
    """Return in one line what it took, and what it would have taken at least."""
    workers = [moment.replicas for moment in course.moments]
    ideal = [asked / slots for asked in demand(course)]
    count = max(1, len(workers))
    return (
        f"workers: {min(workers, default=0)} to {max(workers, default=0)}, mean {sum(workers) / count:.1f};"
        f" demand: mean {sum(ideal) / count:.1f}, most {max(ideal, default=0.0):.1f}"
    )


def waits_of(course: Course) -> list[float]:
    """Return the waits that count: those of jobs that arrived in the spike, or of all jobs without one."""
    first, last = course.spike or (0.0, float("inf"))
    return [work.waited for work in course.works if first <= work.due < last]


def flapping(course: Course) -> list[tuple[Change, Change]]:
    """Return the changes of direction that nothing asked for, as pairs.

    A scale-out that is undone within `STABLE_SECONDS` was not needed. A scale-in that is undone within that
    time was too early, unless there was more demand meanwhile than in as much time before it: that, nobody
    could know.
    """
    asked = list(zip((moment.at for moment in course.moments), demand(course), strict=True))
    return [pair for pair in pairwise(course.changes) if _is_flap(asked, *pair)]


def _is_flap(asked: Sequence[tuple[float, int]], one: Change, other: Change) -> bool:
    if one.sign == other.sign or other.at - one.at >= STABLE_SECONDS:
        return False
    if one.sign > 0:
        return True
    known = [slots for at, slots in asked if one.at - STABLE_SECONDS < at <= one.at]
    since = [slots for at, slots in asked if one.at < at <= other.at]
    return max(since, default=0) <= max(known, default=0)


def _flap_words(changes: Sequence[Change], flaps: Sequence[tuple[Change, Change]]) -> str:
    count = f"{len(flaps)} of {len(changes)} changes of scale undone within {STABLE_SECONDS:g} s"
    if not flaps:
        return count
    one, other = flaps[0]
    return f"{count}; first {one.before} → {one.after} at {one.at:.0f} s, → {other.after} at {other.at:.0f} s"
