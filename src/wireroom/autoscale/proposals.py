"""How many replicas one metric asks for. Pure.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling", "Algorithm details"; where that leaves cases
open, the controller's replica calculator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wireroom.autoscale.spec import Metric, Spec, TargetKind


@dataclass(frozen=True, slots=True)
class Total:
    """What an Object or External metric gives: one figure."""

    value: float | None
    """None when it could not be fetched."""
    ready: int
    """Pods that are ready."""


@dataclass(frozen=True, slots=True)
class Pod:
    """What a Resource or Pods metric gives of one pod; those being deleted, or failed, are left out."""

    usage: float | None
    """None when it could not be fetched."""
    ready: bool = True
    request: float = 1.0
    """What the pod requests of the resource, in the unit of `usage`; only for UTILIZATION."""


Measured = Total | Sequence[Pod]


def proposal(spec: Spec, metric: Metric, current: int, measured: Measured) -> int | None:
    """Return the replicas that this metric asks for, None when it cannot tell.

    desired = ceil(current * value / target), unless value / target is within the tolerance of 1.

    Args:
        spec: Gives the tolerances.
        metric: What was measured.
        current: Replicas now.
        measured: What was found.
    """
    if not isinstance(measured, Total):
        return _of_pods(spec, metric, current, measured)
    if measured.value is None:
        return None
    if metric.target_kind is TargetKind.AVERAGE_VALUE:
        return _of_average(spec, metric.target, current, measured.value)
    return _of_value(spec, metric.target, current, measured)


def is_near(spec: Spec, ratio: float) -> bool:
    """Tell whether a ratio of value to target is so near 1 that nothing is done."""
    return 1.0 - spec.down.tolerance <= ratio <= 1.0 + spec.up.tolerance


def _of_average(spec: Spec, target: float, current: int, value: float) -> int:
    if current and is_near(spec, value / (target * current)):
        return current
    return math.ceil(value / target)


def _of_value(spec: Spec, target: float, current: int, measured: Total) -> int:
    """Return ceil(ready * value / target): replicas that are not ready yet are not multiplied again."""
    ratio = (measured.value or 0.0) / target
    if current == 0:
        return math.ceil(ratio)
    return current if is_near(spec, ratio) else math.ceil(ratio * measured.ready)


def _of_pods(spec: Spec, metric: Metric, current: int, pods: Sequence[Pod]) -> int | None:
    """Weigh pods that are not ready, or whose figure is missing, against a change, never for one.

    On the way up they count as using nothing, on the way down those that miss as using the whole target (at
    least their whole request); if that turns the direction around, nothing is done.
    """
    known = [pod for pod in pods if pod.ready and pod.usage is not None]
    missing = [pod for pod in pods if pod.ready and pod.usage is None]
    starting = [pod for pod in pods if not pod.ready]
    if not known:
        return None
    first = _ratio(metric, known)
    idle = starting if first > 1.0 else []
    if first == 1.0 or not (missing or idle):
        return current if is_near(spec, first) else math.ceil(first * len(known))
    stand_ins = [Pod(_stand_in(metric, pod, first), request=pod.request) for pod in missing]
    stand_ins += [Pod(0.0, request=pod.request) for pod in idle]
    ratio = _ratio(metric, [*known, *stand_ins])
    if is_near(spec, ratio) or (first < 1.0 < ratio) or (ratio < 1.0 < first):
        return current
    wanted = math.ceil(ratio * (len(known) + len(stand_ins)))
    turns = wanted > current if ratio < 1.0 else wanted < current
    return current if turns else wanted


def _stand_in(metric: Metric, pod: Pod, ratio: float) -> float:
    if ratio >= 1.0:
        return 0.0
    if metric.target_kind is TargetKind.UTILIZATION:
        return pod.request * max(100.0, metric.target) / 100.0
    return metric.target


def _ratio(metric: Metric, pods: Sequence[Pod]) -> float:
    used = sum(pod.usage or 0.0 for pod in pods)
    if metric.target_kind is TargetKind.UTILIZATION:
        return 100.0 * used / sum(pod.request for pod in pods) / metric.target
    return used / len(pods) / metric.target
