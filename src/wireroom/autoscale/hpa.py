"""The Horizontal Pod Autoscaler's decision, once every sync period. Pure: state comes in and goes out.

Source: Kubernetes documentation, "Horizontal Pod Autoscaling", "Algorithm details" and "Configurable scaling
behavior". What one metric asks for is in `autoscale.proposals`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from wireroom.autoscale.proposals import Measured, proposal
from wireroom.autoscale.spec import Policy, PolicyKind, Rules, Select, Spec


@dataclass(frozen=True, slots=True)
class Noted:
    """A number of replicas and when: a recommendation, or by how many was scaled."""

    at: float
    replicas: int


@dataclass(frozen=True, slots=True)
class State:
    """What the controller remembers between two looks."""

    recommendations: tuple[Noted, ...] = ()
    added: tuple[Noted, ...] = ()
    removed: tuple[Noted, ...] = ()


class Reason(StrEnum):
    """What held."""

    PAUSED = "paused"
    """There are no replicas, and the least is more: scaling is switched off."""
    BOUNDS = "bounds"
    """There were more replicas than the most, or fewer than the least."""
    UNKNOWN = "unknown"
    """No metric could be read, or one could not and the rest would scale in."""
    METRICS = "metrics"
    """As the metrics ask."""
    WINDOW = "window"
    """A recommendation within a stabilisation window was safer."""
    POLICY = "policy"
    """A policy allows less at once, or a bound was reached."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How many replicas there shall be."""

    replicas: int
    wanted: int
    """What the metrics ask for, before windows, policies and bounds."""
    reason: Reason


def decide(
    spec: Spec, current: int, measured: Sequence[Measured], state: State, now: float
) -> tuple[Decision, State]:
    """Return how many replicas there shall be, and what to remember.

    The metric that asks for the most holds. Of past recommendations within `down.window_seconds` the highest
    is a floor, of those within `up.window_seconds` the lowest a ceiling. Then policies, then bounds.

    Args:
        spec: What the autoscaler is told.
        current: Replicas now, those that end not counted.
        measured: One for each of `spec.metrics`, in their order.
        state: What the last call returned; a new one remembers the replicas that it finds.
        now: Seconds of any clock that only goes forward.
    """
    if current == 0 and spec.min_replicas > 0:
        return Decision(0, 0, Reason.PAUSED), state
    bounded = min(max(current, spec.min_replicas), spec.max_replicas)
    if bounded != current:
        return Decision(bounded, bounded, Reason.BOUNDS), _after(spec, state, current, bounded, now)
    if not state.recommendations:
        state = State((Noted(now, current),), state.added, state.removed)
    wanted = wanted_replicas(spec, current, measured)
    if wanted is None:
        return Decision(current, current, Reason.UNKNOWN), state
    steady = _steady(spec, current, wanted, state, now)
    replicas = _allowed(spec, current, steady, state, now)
    reason = Reason.POLICY if replicas != steady else Reason.WINDOW if steady != wanted else Reason.METRICS
    state = State((*state.recommendations, Noted(now, wanted)), state.added, state.removed)
    return Decision(replicas, wanted, reason), _after(spec, state, current, replicas, now)


def wanted_replicas(spec: Spec, current: int, measured: Sequence[Measured]) -> int | None:
    """Return the most that any metric asks for; None when that is not known well enough to act on.

    A metric that cannot be read keeps the others from scaling in, not from scaling out.
    """
    asked = [
        proposal(spec, metric, current, found) for metric, found in zip(spec.metrics, measured, strict=True)
    ]
    known = [number for number in asked if number is not None]
    if not known or (len(known) < len(asked) and max(known) < current):
        return None
    return max(known)


def _steady(spec: Spec, current: int, wanted: int, state: State, now: float) -> int:
    """Return the number nearest to the current one between the ceiling and the floor of recommendations."""
    up = min([wanted, *_since(state.recommendations, now - spec.up.window_seconds)])
    down = max([wanted, *_since(state.recommendations, now - spec.down.window_seconds)])
    return min(max(current, up), down)


def _allowed(spec: Spec, current: int, wanted: int, state: State, now: float) -> int:
    """Return what policies and bounds leave of the change."""
    if wanted > current:
        most = max(current, _reach(spec.up, 1, current, state, now))
        return min(wanted, most, spec.max_replicas)
    if wanted < current:
        least = min(current, _reach(spec.down, -1, current, state, now))
        return max(wanted, least, spec.min_replicas)
    return current


def _reach(rules: Rules, sign: int, current: int, state: State, now: float) -> int:
    """Return how far the policies of one direction let the number go; `sign` is 1 up, -1 down."""
    if rules.select is Select.DISABLED:
        return current
    reached = [_policy_reach(policy, sign, current, state, now) for policy in rules.policies]
    farthest = (rules.select is Select.MAX) == (sign > 0)
    return max(reached) if farthest else min(reached)


def _policy_reach(policy: Policy, sign: int, current: int, state: State, now: float) -> int:
    since = now - policy.period_seconds
    began_with = current - sum(_since(state.added, since)) + sum(_since(state.removed, since))
    if policy.kind is PolicyKind.PODS:
        return began_with + sign * policy.value
    # Rounded up in both directions towards more pods on the way out and fewer on the way in, so that a small
    # percentage of few pods is not nothing.
    share = began_with * (1 + sign * policy.value / 100)
    return math.ceil(share) if sign > 0 else math.floor(share)


def _since(noted: Iterable[Noted], moment: float) -> list[int]:
    return [one.replicas for one in noted if one.at > moment]


def _after(spec: Spec, state: State, current: int, replicas: int, now: float) -> State:
    """Return what to remember: this change, and of the past only what can still count."""
    change = replicas - current
    longest = max(spec.up.window_seconds, spec.down.window_seconds)
    periods = [policy.period_seconds for rules in (spec.up, spec.down) for policy in rules.policies]
    return State(
        _kept(state.recommendations, now - longest) or state.recommendations[-1:],
        _kept(
            (*state.added, Noted(now, change)) if change > 0 else state.added, now - max(periods, default=0)
        ),
        _kept(
            (*state.removed, Noted(now, -change)) if change < 0 else state.removed,
            now - max(periods, default=0),
        ),
    )


def _kept(noted: tuple[Noted, ...], moment: float) -> tuple[Noted, ...]:
    return tuple(one for one in noted if one.at > moment)
