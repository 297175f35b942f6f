"""The compose files: valid by the specification, shut tight, and true to the program's settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from wireroom.settings import Settings, variables_of

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
VARIABLES = {name for field in Settings.model_fields.values() for name in variables_of(field)}
SECONDS = {"s": 1, "m": 60}


def _filled_in(name: str) -> str:
    """Return the file as it is with no variable set: `${NAME:-default}` gives the default."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (FOLDER / name).read_text())


def _read(name: str) -> dict[str, Any]:
    """Return the file's content, its YAML anchors merged."""
    content: dict[str, Any] = yaml.safe_load(_filled_in(name))
    return content


STACK = _read("compose.yaml")
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.yaml")))
def test_compose_file_keeps_to_the_specification(name: str) -> None:
    """Every key is one of the Compose Specification, with a value of its kind."""
    PyCompose.from_yaml(yaml.safe_dump(_read(name))).to_spec()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("stop_grace_period: 60s", "stop_grace_period: fast"), ("memory: 4g", "memori: 4g")],
    ids=["a duration", "a key"],
)
def test_check_of_the_specification_sees_a_mistake(right: str, wrong: str) -> None:
    """The check above would tell a wrong value and an unknown key."""
    broken = yaml.safe_load(_filled_in("compose.yaml").replace(right, wrong, 1))
    with pytest.raises(ValueError, match=wrong.split(": ", maxsplit=1)[0]):
        PyCompose.from_yaml(yaml.safe_dump(broken))


@each_service
def test_container_has_no_more_than_it_needs(name: str) -> None:
    """Each has a read-only root, no capability but those it names, no way to gain one, and bounds."""
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "caddy" else [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert service["restart"] == "unless-stopped"
    assert service["logging"]["options"]["max-size"]


@each_service
def test_container_uses_only_what_the_file_declares(name: str) -> None:
    """Volumes, networks, secrets and services that a service names exist."""
    service = SERVICES[name]
    mounts = [mount.split(":")[0] for mount in service.get("volumes", [])]
    assert {mount for mount in mounts if not mount.startswith((".", "/"))} <= set(STACK["volumes"])
    assert all((FOLDER / mount).exists() for mount in mounts if mount.startswith("."))
    assert set(service["networks"]) <= set(STACK["networks"])
    assert set(service.get("secrets", [])) <= set(STACK["secrets"])
    assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_only_the_proxy_is_reached_from_outside() -> None:
    """Nothing else publishes a port, and the stores' network has no way out."""
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]
    assert STACK["networks"]["back"]["internal"] is True
    assert all(SERVICES[name]["networks"] == ["back"] for name in ("redis", "postgres"))


def test_stores_run_only_when_asked_for() -> None:
    """PostgreSQL and Redis have profiles; the program and the proxy run without."""
    profiles = {name: service.get("profiles", []) for name, service in SERVICES.items()}
    assert profiles == {"wireroom": [], "caddy": [], "redis": ["redis"], "postgres": ["postgres"]}


def test_stop_waits_longer_than_agents_may_take() -> None:
    """The container is killed only after the drain, and a while for what comes after it."""
    grace = SERVICES["wireroom"]["stop_grace_period"]
    drain = float(SERVICES["wireroom"]["environment"]["WIREROOM_DRAIN_SECONDS"])
    assert drain == Settings.model_fields["drain_seconds"].default
    assert int(grace[:-1]) * SECONDS[grace[-1]] >= drain + 20


@pytest.mark.parametrize("name", ["compose.yaml", "compose.older-volumes.yaml"])
def test_variables_of_the_program_are_settings(name: str) -> None:
    """The program's container is given nothing that it would not read."""
    assert set(_read(name)["services"]["wireroom"]["environment"]) <= VARIABLES


def test_example_of_the_settings_file_names_settings() -> None:
    """Each setting that the example shows exists, but the coding agent's own key."""
    shown = set(re.findall(r"^# (\w+)=", (FOLDER / "wireroom.env.example").read_text(), re.MULTILINE))
    assert "TELEGRAM_BOT_TOKEN" in shown
    assert shown - VARIABLES == {"ANTHROPIC_API_KEY"}


def test_volumes_of_older_services_are_not_made_anew() -> None:
    """Their shared file comes from the volume that exists, at the path that they use."""
    older = _read("compose.older-volumes.yaml")
    wireroom = older["services"]["wireroom"]
    assert older["volumes"] == {"shared_sqlite_db": {"external": True}}
    assert wireroom["volumes"] == ["shared_sqlite_db:/app/shared_db", "/cursor:/cursor"]
    assert Path(wireroom["environment"]["SHARED_DB_PATH"]).parent == Path("/app/shared_db")


def test_proxy_passes_files_as_large_as_the_program_takes_and_hides_figures() -> None:
    """The proxy's limit is above the program's, live pages are not held back, `/metrics` stays inside."""
    text = (FOLDER / "Caddyfile").read_text()
    (megabytes,) = re.findall(r"max_size (\d+)MB", text)
    assert int(megabytes) * 1_000_000 > Settings.model_fields["max_file_mib"].default * 1_048_576
    assert "flush_interval -1" in text
    assert re.search(r"@inside path /metrics\n\s*respond @inside 404", text)
    assert f"reverse_proxy wireroom:{SERVICES['wireroom']['environment']['PORT']}" in text
