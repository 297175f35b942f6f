"""Reads a HorizontalPodAutoscaler out of the manifest that the cluster is given, so that both cannot differ.

Strict: what is not understood is refused, since a simulation that leaves out a rule proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from wireroom.autoscale.spec import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    TOLERANCE,
    Metric,
    MetricKind,
    Policy,
    PolicyKind,
    Rules,
    Select,
    Spec,
    TargetKind,
)
from wireroom.errors import SettingsError

_SUFFIXES = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Refuses fields that it does not know."""


class _Selector(_Strict, frozen=True):
    match_labels: dict[str, str] = {}


class _MetricName(_Strict, frozen=True):
    name: str
    selector: _Selector = _Selector()


class _Target(_Strict, frozen=True):
    type: TargetKind
    value: str | float | None = None
    average_value: str | float | None = None
    average_utilization: float | None = None


class _Source(_Strict, frozen=True):
    target: _Target
    metric: _MetricName | None = None
    name: str = ""
    described_object: dict[str, str] = {}


class _Metric(_Strict, frozen=True):
    type: MetricKind
    resource: _Source | None = None
    pods: _Source | None = None
    object: _Source | None = None
    external: _Source | None = None


class _Policy(_Strict, frozen=True):
    type: PolicyKind
    value: int
    period_seconds: int


class _Rules(_Strict, frozen=True):
    stabilization_window_seconds: int | None = None
    select_policy: Select = Select.MAX
    policies: tuple[_Policy, ...] = ()
    tolerance: str | float | None = None


class _Behavior(_Strict, frozen=True):
    scale_up: _Rules = _Rules()
    scale_down: _Rules = _Rules()


class _ScaleTarget(_Strict, frozen=True):
    api_version: str
    kind: str
    name: str


class _SpecOf(_Strict, frozen=True):
    scale_target_ref: _ScaleTarget
    max_replicas: int
    metrics: tuple[_Metric, ...]
    min_replicas: int = 1
    behavior: _Behavior = _Behavior()


class _Autoscaler(_Strict, frozen=True):
    api_version: Literal["autoscaling/v2"]
    kind: Literal["HorizontalPodAutoscaler"]
    metadata: dict[str, Any]
    spec: _SpecOf


def read_autoscaler(path: Path, workload: str) -> Spec:
    """Return the autoscaler of a file that scales the workload whose name contains `workload`.

    Raises:
        SettingsError: the file cannot be read, has no such autoscaler or several, or says more than is
            understood here.
    """
    try:
        # Only who simulates needs it: an extra of the package.
        import yaml  # noqa: PLC0415
    except ImportError as error:
        raise SettingsError("Reading a manifest needs PyYAML: pip install 'wireroom[autoscale]'.") from error
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"--hpa: {path} cannot be read: {error}") from error
    found = list(_autoscalers(documents, workload))
    if len(found) != 1:
        raise SettingsError(
            f"--hpa: {path} has {len(found)} HorizontalPodAutoscalers of a {workload}, not one."
        )
    return spec_of(found[0])


def spec_of(manifest: Mapping[str, Any]) -> Spec:
    """Return what a manifest says, with the defaults of the API for what it leaves out.

    Raises:
        SettingsError: it is none of `autoscaling/v2`, or says more than is understood here.
    """
    try:
        spec = msgspec.convert(manifest, _Autoscaler).spec
    except msgspec.ValidationError as error:
        raise SettingsError(f"--hpa: {error}") from error
    return Spec(
        spec.min_replicas,
        spec.max_replicas,
        tuple(_metric(metric) for metric in spec.metrics),
        _rules(spec.behavior.scale_up, DEFAULT_UP),
        _rules(spec.behavior.scale_down, DEFAULT_DOWN),
    )


def quantity(written: str | float) -> float:
    """Return a Kubernetes quantity as a number: `500m` is 0.5, `1Gi` is 1073741824.

    Raises:
        SettingsError: it is none that is known here.
    """
    text = str(written)
    number = text.rstrip("mkMGi")
    try:
        return float(number) * (_SUFFIXES[text[len(number) :]] if number != text else 1.0)
    except (KeyError, ValueError) as error:
        raise SettingsError(f"--hpa: {text!r} is no quantity.") from error


def _autoscalers(documents: list[Any], workload: str) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        match document:
            case {"kind": "HorizontalPodAutoscaler", "spec": {"scaleTargetRef": {"name": str(name)}}}:
                if workload in name:
                    yield document


def _metric(metric: _Metric) -> Metric:
    source = {
        MetricKind.RESOURCE: metric.resource,
        MetricKind.PODS: metric.pods,
        MetricKind.OBJECT: metric.object,
        MetricKind.EXTERNAL: metric.external,
    }[metric.type]
    if source is None:
        raise SettingsError(f"--hpa: a metric of type {metric.type} without its source.")
    name, labels = source.name, {}
    if source.metric is not None:
        name, labels = source.metric.name, source.metric.selector.match_labels
    return Metric(metric.type, name, source.target.type, _target(source.target), labels)


def _target(target: _Target) -> float:
    written = {
        TargetKind.VALUE: target.value,
        TargetKind.AVERAGE_VALUE: target.average_value,
        TargetKind.UTILIZATION: target.average_utilization,
    }[target.type]
    if written is None or quantity(written) <= 0:
        raise SettingsError(f"--hpa: a target of type {target.type} needs a figure above 0.")
    return quantity(written)


def _rules(rules: _Rules, usual: Rules) -> Rules:
    window = rules.stabilization_window_seconds
    policies = tuple(Policy(one.type, one.value, one.period_seconds) for one in rules.policies)
    return Rules(
        usual.window_seconds if window is None else window,
        policies or usual.policies,
        rules.select_policy,
        TOLERANCE if rules.tolerance is None else quantity(rules.tolerance),
    )
