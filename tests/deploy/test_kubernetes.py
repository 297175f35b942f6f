"""The Kubernetes manifests: valid by the official schemas, shut tight, and true to the program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml
from bench.capacity_model import Rules
from prometheus_client import generate_latest

from deploy.dockerfile import stages
from deploy.kustomize import Manifest, build, pod_of
from wireroom.cli.main import cli
from wireroom.perf.metrics import REGISTRY
from wireroom.runs import records
from wireroom.settings import Settings, variables_of
from wireroom.store.migrate import HEAD, current_version
from wireroom.testing.postgres_server import PostgresServer

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDER = DEPLOY / "kubernetes"
VERSION = "1.37"
"""Of the schemas that the manifests are checked by; kubernetes-validate is pinned with it."""
CUSTOM = {"PodMonitor", "ScaledObject"}
"""Kinds that operators bring; their schemas are not Kubernetes' own."""
BUILT = {name: build(FOLDER / "overlays" / name) for name in ("small", "large", "large-keda")}
VARIABLES = {name for field in Settings.model_fields.values() for name in variables_of(field)}
AGENTS_OWN = {"ANTHROPIC_API_KEY"}
ROLES = ("web", "worker")

each_overlay = pytest.mark.parametrize("overlay", BUILT)
each_role = pytest.mark.parametrize("role", ROLES)


def of_kind(kind: str, overlay: str = "large") -> dict[str, Manifest]:
    """Return the overlay's objects of a kind, by name."""
    return {one["metadata"]["name"]: one for one in BUILT[overlay] if one["kind"] == kind}


def deployment(role: str) -> Manifest:
    """Return the Deployment of a role."""
    return of_kind("Deployment")[f"wireroom-{role}"]


def container(one: Manifest) -> Manifest:
    """Return the only container of the object's pods."""
    (only,) = pod_of(one)["containers"]
    found: Manifest = only
    return found


def environment(role: str) -> dict[str, str]:
    """Return the settings of a role's pods that are no secrets; what stands in the pod goes first."""
    own = {entry["name"]: entry["value"] for entry in container(deployment(role))["env"]}
    return {**of_kind("ConfigMap")["wireroom"]["data"], **own}


def test_manifests_keep_to_the_official_schemas() -> None:
    """Every object of every overlay is valid and has no field that Kubernetes does not know."""
    every = [one for built in BUILT.values() for one in built if one["kind"] not in CUSTOM]
    different = {yaml.safe_dump(one): one for one in every}
    assert len(different) > 15
    for one in different.values():
        assert kubernetes_validate.validate(one, VERSION, strict=True) == VERSION


def test_check_of_the_schemas_sees_a_mistake() -> None:
    """The check above would tell an unknown field."""
    wrong = {**of_kind("Service")["wireroom-web"], "sepc": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="sepc"):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_secret_of_the_example_keeps_to_the_schema_and_names_settings() -> None:
    """The example can be applied, and each of its keys is a setting or an agent's own variable."""
    secret = yaml.safe_load((FOLDER / "secret.example.yaml").read_text())
    assert kubernetes_validate.validate(secret, VERSION, strict=True)
    assert set(secret["stringData"]) - VARIABLES == AGENTS_OWN
    assert secret["metadata"]["name"] == container(deployment("web"))["envFrom"][1]["secretRef"]["name"]


@each_overlay
def test_no_secret_stands_in_a_manifest(overlay: str) -> None:
    """Secrets are referred to, never shipped."""
    assert not of_kind("Secret", overlay)
    shown = set(of_kind("ConfigMap", overlay)["wireroom"]["data"])
    assert not [name for name in shown if re.search("SECRET|TOKEN|PASSWORD|DATABASE|REDIS_URL", name)]


@each_role
def test_variables_of_pods_are_settings(role: str) -> None:
    """Pods are given nothing that the program would not read."""
    assert set(environment(role)) <= VARIABLES


@each_role
def test_pods_run_a_command_that_exists_on_the_port_that_is_named(role: str) -> None:
    """The container's argument is a command of ours, and its port is the one that it listens on."""
    top: Any = typer.main.get_command(cli)
    only = container(deployment(role))
    assert only["args"] == [role]
    assert role in top.commands
    assert [str(port["containerPort"]) for port in only["ports"]] == [environment(role)["PORT"]]
    assert only["ports"][0]["name"] == "http"


@each_overlay
def test_pods_keep_to_the_restricted_profile(overlay: str) -> None:
    """No pod is root, gains a right, writes to its image or carries a token of the cluster."""
    pods = [one for one in BUILT[overlay] if pod_of(one)]
    assert {one["kind"] for one in pods} == {"Deployment", "Job"}
    user = stages(DEPLOY / "Dockerfile")[-1].of("USER")[-1].rest
    for one in pods:
        pod, inner = pod_of(one), container(one)["securityContext"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" == user
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert inner["allowPrivilegeEscalation"] is False
        assert inner["readOnlyRootFilesystem"] is True
        assert inner["capabilities"] == {"drop": ["ALL"]}
        assert set(container(one)["resources"]) == {"requests", "limits"}
        assert re.fullmatch(r"\S+:\d+\.\d+\.\d+", container(one)["image"])


@each_role
def test_grace_is_longer_than_pause_and_drain(role: str) -> None:
    """A pod is killed only after its pause, the drain and a while for what comes after it."""
    pod = pod_of(deployment(role))
    pause = container(deployment(role)).get("lifecycle", {}).get("preStop", {}).get("sleep", {})
    needed = pause.get("seconds", 0) + float(environment(role)["WIREROOM_DRAIN_SECONDS"]) + 20
    assert pod["terminationGracePeriodSeconds"] >= needed
    assert bool(pause) is (role == "web")


@each_role
def test_probes_ask_what_they_are_for(role: str) -> None:
    """Alive is asked of `/health`, which looks at nothing; able is asked of `/ready`."""
    only = container(deployment(role))
    paths = {name: only[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
    assert paths == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    start = only["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] >= 600


@each_overlay
def test_every_selector_finds_pods(overlay: str) -> None:
    """Services, budgets and policies select the pods of a role; the Service to nobody selects none."""
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in BUILT[overlay] if pod_of(one)]
    for one in BUILT[overlay]:
        selector = one.get("spec", {}).get("selector", one.get("spec", {}).get("podSelector"))
        if one["kind"] in {"Service", "PodDisruptionBudget", "NetworkPolicy", "PodMonitor"} and selector:
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= found.items() for found in labels), one["metadata"]["name"]
    assert "selector" not in of_kind("Service", overlay)["wireroom-nobody"]["spec"]


@each_role
def test_pods_spread_and_are_disrupted_one_at_a_time(role: str) -> None:
    """Pods of a role avoid each other's node and zone, and a drain takes one at a time."""
    pod, labels = pod_of(deployment(role)), deployment(role)["spec"]["selector"]["matchLabels"]
    (spread,) = pod["topologySpreadConstraints"]
    (apart,) = pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    budget = of_kind("PodDisruptionBudget")[f"wireroom-{role}"]["spec"]
    assert spread["labelSelector"]["matchLabels"] == labels
    assert apart["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, labels)


def test_nothing_is_allowed_unless_named() -> None:
    """Everything is denied first; agents reach no private address and no metadata service by https."""
    policies = of_kind("NetworkPolicy")
    assert policies["wireroom-nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    *_, outside = policies["wireroom-out"]["spec"]["egress"]
    (block,) = outside["to"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(
        block["ipBlock"]["except"]
    )
    assert [port["port"] for port in outside["ports"]] == [443]


def test_page_is_opened_under_the_name_of_the_ingress() -> None:
    """The name is among ours, Telegram pushes to it, and figures are not passed on."""
    (rule,) = of_kind("Ingress")["wireroom"]["spec"]["rules"]
    settings = of_kind("ConfigMap")["wireroom"]["data"]
    assert settings["WIREROOM_ALLOWED_HOSTS"] == rule["host"]
    assert settings["TELEGRAM_WEBHOOK_BASE_URL"] == f"https://{rule['host']}"
    behind = {path["path"]: path["backend"]["service"]["name"] for path in rule["http"]["paths"]}
    assert behind == {"/": "wireroom-web", "/metrics": "wireroom-nobody"}


def test_many_pods_share_no_sqlite_file() -> None:
    """The volume that all mount holds no cache file, and every pod may mount it."""
    assert of_kind("ConfigMap")["wireroom"]["data"]["WIREROOM_CACHE_DISK_BYTES"] == "0"
    assert of_kind("PersistentVolumeClaim")["wireroom-data"]["spec"]["accessModes"] == ["ReadWriteMany"]


def test_pods_open_as_many_connections_as_the_capacity_model_says() -> None:
    """Its pool is that of the manifests, so that it tells what PostgreSQL must allow."""
    settings = of_kind("ConfigMap")["wireroom"]["data"]
    pool = int(settings["WIREROOM_POOL_SIZE"]) + int(settings["WIREROOM_POOL_OVERFLOW"])
    assert pool == Rules().pool
    assert Rules().run_slots == Settings.model_fields["run_slots"].default


def test_overlay_grows_by_one_autoscaler_at_most() -> None:
    """No overlay has both kinds, and where one grows, no number of replicas is given as well."""
    grows = {
        name: (len(of_kind("HorizontalPodAutoscaler", name)), len(of_kind("ScaledObject", name)))
        for name in BUILT
    }
    assert grows == {"small": (0, 0), "large": (2, 0), "large-keda": (0, 2)}
    replicas = {
        name: [one["spec"].get("replicas") for one in of_kind("Deployment", name).values()] for name in BUILT
    }
    assert replicas == {"small": [2, 2], "large": [None, None], "large-keda": [None, None]}


@each_role
def test_both_autoscalers_behave_the_same(role: str) -> None:
    """From 2 to 20 pods; up at once, down slowly; and KEDA's the same as Kubernetes' own."""
    own = of_kind("HorizontalPodAutoscaler", "large")[f"wireroom-{role}"]["spec"]
    keda = of_kind("ScaledObject", "large-keda")[f"wireroom-{role}"]["spec"]
    assert own["scaleTargetRef"] == keda["scaleTargetRef"]
    assert (own["minReplicas"], own["maxReplicas"]) == (2, 20)
    assert (keda["minReplicaCount"], keda["maxReplicaCount"]) == (2, 20)
    assert own["behavior"] == keda["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert own["behavior"]["scaleUp"]["stabilizationWindowSeconds"] == 0
    assert own["behavior"]["scaleDown"]["stabilizationWindowSeconds"] >= 300


def test_workers_grow_with_the_figures_of_the_whole_installation() -> None:
    """Depth and age are External metrics, for every pod tells the same; both autoscalers have one aim."""
    external = [
        metric["external"]
        for metric in of_kind("HorizontalPodAutoscaler")["wireroom-worker"]["spec"]["metrics"]
        if metric["type"] == "External"
    ]
    aims = {one["metric"]["name"]: one["target"] for one in external}
    assert external[0]["metric"]["selector"] == {"matchLabels": {"queue": records.QUEUE}}
    assert (
        float(aims["wireroom_queue_depth"]["averageValue"])
        == 0.8 * Settings.model_fields["run_slots"].default
    )
    assert aims == {
        "wireroom_queue_depth": {"type": "AverageValue", "averageValue": "4"},
        "wireroom_queue_oldest_seconds": {"type": "Value", "value": "30"},
    }
    triggers = of_kind("ScaledObject", "large-keda")["wireroom-worker"]["spec"]["triggers"]
    asked = {
        name: (one["metricType"], one["metadata"]["threshold"])
        for one in triggers
        for name in aims
        if name in one["metadata"].get("query", "")
    }
    assert asked == {
        name: (aim["type"], aim.get("value", aim.get("averageValue"))) for name, aim in aims.items()
    }


def test_figures_of_pods_are_never_added_up() -> None:
    """Every query takes the highest of all pods first, and asks for a metric that `/metrics` shows."""
    rules = yaml.safe_load((FOLDER / "components/hpa/prometheus-adapter-values.yaml").read_text())["rules"]
    queries = [rule["metricsQuery"].replace("<<.Series>>", rule["name"]["as"]) for rule in rules["external"]]
    keda = of_kind("ScaledObject", "large-keda")["wireroom-worker"]["spec"]["triggers"]
    queries += [one["metadata"]["query"] for one in keda if one["type"] == "prometheus"]
    shown = generate_latest(REGISTRY).decode()
    assert len(queries) == 4
    for query in queries:
        (metric,) = re.findall(r"wireroom_\w+", query)
        assert re.match(r"max\(|sum\(max by \(queue\) \(", query)
        assert f"# TYPE {metric} gauge" in shown


@pytest.mark.postgres
def test_migration_job_brings_a_new_database_to_the_schema(postgres: PostgresServer) -> None:
    """The Job's own command, with the address from its environment, leaves the schema of this release."""
    command = container(of_kind("Job")["wireroom-migrate"])["command"]
    python = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with postgres.database(migrated=False) as url:
        assert current_version(url) is None
        environment = {**os.environ, "PATH": python, "WIREROOM_DATABASE_URL": url}
        for _ in range(2):
            subprocess.run(command, env=environment, check=True, timeout=60)
        assert current_version(url) == HEAD
