"""What a HorizontalPodAutoscaler is told: bounds, metrics with targets, and behaviour. Pure.

Source: Kubernetes API reference, autoscaling/v2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

TOLERANCE = 0.1
"""Share by which a metric may miss its target without effect, unless a direction says otherwise."""
SYNC_SECONDS = 15.0
"""How often the controller looks: --horizontal-pod-autoscaler-sync-period of kube-controller-manager."""


class MetricKind(StrEnum):
    """Where a figure comes from."""

    RESOURCE = "Resource"
    """Each pod's processor or memory, as a percentage of what it requests."""
    PODS = "Pods"
    """A figure of each pod's own."""
    OBJECT = "Object"
    """One figure of an object in the cluster."""
    EXTERNAL = "External"
    """One figure from outside; if the source gives several series, they are summed."""


class TargetKind(StrEnum):
    """How a figure is compared."""

    UTILIZATION = "Utilization"
    """Mean over pods, in percent of what they request."""
    AVERAGE_VALUE = "AverageValue"
    """Mean over pods; one figure is divided by the number of replicas."""
    VALUE = "Value"
    """The figure as it is: twice the target asks for twice the replicas."""


class PolicyKind(StrEnum):
    """What the value of a policy counts."""

    PODS = "Pods"
    PERCENT = "Percent"


class Select(StrEnum):
    """Which of several policies holds."""

    MAX = "Max"
    """The one that allows the most change."""
    MIN = "Min"
    """The one that allows the least."""
    DISABLED = "Disabled"
    """No change in this direction."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure and what it should be."""

    kind: MetricKind
    name: str
    target_kind: TargetKind
    target: float
    """Percent for UTILIZATION, else in the figure's own unit; above 0."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Which series of the name is meant."""


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `value` pods, or per cent of those at the period's beginning, within any such period."""

    kind: PolicyKind
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Rules:
    """Behaviour in one direction."""

    window_seconds: float
    """How far back recommendations count; the safest of them holds."""
    policies: tuple[Policy, ...]
    select: Select = Select.MAX
    tolerance: float = TOLERANCE


DEFAULT_UP = Rules(0, (Policy(PolicyKind.PODS, 4, 15), Policy(PolicyKind.PERCENT, 100, 15)))
DEFAULT_DOWN = Rules(300, (Policy(PolicyKind.PERCENT, 100, 15),))


@dataclass(frozen=True, slots=True)
class Spec:
    """A HorizontalPodAutoscaler."""

    min_replicas: int
    max_replicas: int
    metrics: tuple[Metric, ...]
    up: Rules = DEFAULT_UP
    down: Rules = DEFAULT_DOWN
