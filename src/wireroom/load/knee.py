"""The knee of a stress curve: the highest load that a service bears. Pure.

A step holds while the 99th percentiles stay under their targets and the share of failures does not grow
beyond that of the first step. The knee is the last step before the first that does not hold; a step that
does not hold is forgiven when both steps after it do, for a heavier load would not mend what a lighter broke.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """What one load did."""

    people: int
    per_second: float
    """Requests answered a second."""
    p99_ms: float | None
    """Of requests; None without any."""
    failed_share: float
    """In [0, 1]."""
    answer_p99_ms: float | None
    """From a message to its answer in the chat; None when answers were not looked at."""
    unanswered: int = 0
    """Messages of this step whose answer never came."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a step must hold."""

    request_ms: float = 200.0
    """99th percentile of requests."""
    answer_ms: float = 5_000.0
    """99th percentile of answers, the agent's own time included."""
    failed_growth: float = 0.005
    """How far the share of failures may rise above the first step's."""


@dataclass(frozen=True, slots=True)
class Knee:
    """Where the curve bends."""

    highest: Step | None
    """The highest load that holds; None when not even the first does."""
    broken: Step | None
    """The first load that does not; None when all hold, so that the knee is beyond what was tried."""
    reasons: tuple[str, ...]
    """Why it does not."""


def find_knee(steps: Sequence[Step], targets: Targets) -> Knee:
    """Return the knee of the curve.

    Args:
        steps: In rising order of load.
        targets: What each must hold.
    """
    least_failed = steps[0].failed_share if steps else 0.0
    reasons = [broken_targets(step, targets, least_failed) for step in steps]
    for number, broken in enumerate(reasons):
        after = reasons[number + 1 : number + 3]
        forgiven = len(after) == 2 and not any(after)  # noqa: PLR2004 - "both steps after it"
        if broken and not forgiven:
            return Knee(_last_that_holds(steps, reasons, number), steps[number], broken)
    return Knee(steps[-1] if steps else None, None, ())


def broken_targets(step: Step, targets: Targets, least_failed: float) -> tuple[str, ...]:
    """Return why a step does not hold, in words; empty when it does.

    Args:
        step: The load.
        targets: What it must hold.
        least_failed: The share of failures of the first step.
    """
    reasons = []
    if step.p99_ms is not None and step.p99_ms > targets.request_ms:
        reasons.append(f"p99 of requests {step.p99_ms:,.0f} ms, over {targets.request_ms:,.0f} ms")
    if step.answer_p99_ms is not None and step.answer_p99_ms > targets.answer_ms:
        reasons.append(f"p99 of answers {step.answer_p99_ms:,.0f} ms, over {targets.answer_ms:,.0f} ms")
    if step.unanswered:
        reasons.append(f"{step.unanswered} messages without an answer")
    if step.failed_share > least_failed + targets.failed_growth:
        reasons.append(f"{step.failed_share:.1%} of requests failed, {least_failed:.1%} at first")
    return tuple(reasons)


def _last_that_holds(steps: Sequence[Step], reasons: Sequence[tuple[str, ...]], before: int) -> Step | None:
    held = [step for step, broken in zip(steps[:before], reasons, strict=False) if not broken]
    return held[-1] if held else None
