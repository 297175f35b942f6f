"""What is read of a HorizontalPodAutoscaler's manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wireroom.autoscale.manifest import quantity, read_autoscaler, spec_of
from wireroom.autoscale.spec import (
    DEFAULT_DOWN,
    DEFAULT_UP,
    Metric,
    MetricKind,
    Policy,
    PolicyKind,
    Rules,
    Select,
    TargetKind,
)
from wireroom.errors import SettingsError

WHOLE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: wireroom-worker, labels: {app: wireroom}}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: wireroom-worker}
  minReplicas: 2
  maxReplicas: 20
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}
    - type: External
      external:
        metric: {name: wireroom_queue_depth, selector: {matchLabels: {queue: runs}}}
        target: {type: AverageValue, averageValue: "4"}
    - type: External
      external:
        metric: {name: wireroom_queue_oldest_seconds}
        target: {type: Value, value: 30500m}
  behavior:
    scaleUp:
      stabilizationWindowSeconds: 0
      selectPolicy: Min
      policies: [{type: Percent, value: 100, periodSeconds: 15}, {type: Pods, value: 4, periodSeconds: 15}]
    scaleDown:
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
"""


def _autoscaler(**spec: Any) -> dict[str, Any]:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "worker"}
    whole = {"scaleTargetRef": target, "maxReplicas": 3, "metrics": []}
    kind = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {}}
    return {**kind, "spec": {**whole, **spec}}


def test_manifest_is_read_whole(tmp_path: Path) -> None:
    """Bounds, metrics with their targets and labels, and behaviour with its defaults."""
    path = tmp_path / "hpa.yaml"
    path.write_text(WHOLE)
    spec = read_autoscaler(path, "worker")
    assert (spec.min_replicas, spec.max_replicas) == (2, 20)
    assert spec.metrics == (
        Metric(MetricKind.RESOURCE, "cpu", TargetKind.UTILIZATION, 70),
        Metric(MetricKind.EXTERNAL, "wireroom_queue_depth", TargetKind.AVERAGE_VALUE, 4, {"queue": "runs"}),
        Metric(MetricKind.EXTERNAL, "wireroom_queue_oldest_seconds", TargetKind.VALUE, 30.5),
    )
    percent, pods = Policy(PolicyKind.PERCENT, 100, 15), Policy(PolicyKind.PODS, 4, 15)
    assert spec.up == Rules(0, (percent, pods), Select.MIN)
    assert spec.down == Rules(300, (Policy(PolicyKind.PODS, 1, 60),))


def test_what_is_left_out_has_the_defaults_of_the_api() -> None:
    """At least one replica; up by 4 pods or 100 % in 15 s; down after 300 s."""
    spec = spec_of(_autoscaler())
    assert (spec.min_replicas, spec.up, spec.down) == (1, DEFAULT_UP, DEFAULT_DOWN)


@pytest.mark.parametrize(
    ("manifest", "word"),
    [
        pytest.param(_autoscaler(replicas=3), "replicas", id="a field that is unknown"),
        pytest.param({**_autoscaler(), "apiVersion": "autoscaling/v1"}, "v1", id="another version"),
        pytest.param(_autoscaler(metrics=[{"type": "External"}]), "External", id="a metric without a source"),
        pytest.param(
            _autoscaler(metrics=[{"type": "Resource", "resource": {"target": {"type": "Value"}}}]),
            "Value",
            id="a target without a figure",
        ),
        pytest.param(
            _autoscaler(metrics=[{"type": "Pods", "pods": {"target": {"type": "Value", "value": "0"}}}]),
            "above 0",
            id="a target of 0",
        ),
    ],
)
def test_manifest_that_is_not_understood_is_refused(manifest: dict[str, Any], word: str) -> None:
    """A simulation that leaves out a rule would prove nothing."""
    with pytest.raises(SettingsError, match=word):
        spec_of(manifest)


@pytest.mark.parametrize(
    "text", ["", "a: [", "kind: Service\n", WHOLE.replace("-worker", "-web"), WHOLE + "---" + WHOLE]
)
def test_file_without_exactly_one_autoscaler_is_refused(tmp_path: Path, text: str) -> None:
    """The file is named, so that its owner finds it."""
    path = tmp_path / "hpa.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=r"hpa\.yaml"):
        read_autoscaler(path, "worker")


@pytest.mark.parametrize(
    ("written", "number"),
    [("4", 4.0), (4, 4.0), ("500m", 0.5), ("2k", 2000.0), ("1Gi", 2.0**30), ("1.5", 1.5)],
)
def test_quantity_is_a_number(written: str | float, number: float) -> None:
    """Quantities are written as Kubernetes writes them."""
    assert quantity(written) == number


@pytest.mark.parametrize("written", ["", "m", "4x", "1im", "four"])
def test_quantity_that_is_none_is_refused(written: str) -> None:
    """A typing error is no 0."""
    with pytest.raises(SettingsError, match="quantity"):
        quantity(written)
