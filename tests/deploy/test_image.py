"""The image: what its Dockerfiles promise. What they do is in `test_image_steps`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deploy.dockerfile import Stage, stages
from running_service import running_service
from wireroom.settings import Settings, variables_of

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("*Dockerfile"))
BUILD, FINAL = stages(DEPLOY / "Dockerfile")
VARIABLES = {name for field in Settings.model_fields.values() for name in variables_of(field)}

each_file = pytest.mark.parametrize("path", DOCKERFILES, ids=[path.name for path in DOCKERFILES])


@each_file
def test_dockerfile_passes_the_linter(path: Path) -> None:
    """The linter finds nothing, not even a matter of style, beyond what a line says it may."""
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@each_file
def test_image_ends_as_a_numbered_user_who_is_not_root(path: Path) -> None:
    """The last user is a number, so that a cluster can see that it is not root."""
    user, group = stages(path)[-1].of("USER")[-1].rest.split(":")
    assert int(user) > 0
    assert int(group) > 0


@each_file
def test_image_brings_no_secret(path: Path) -> None:
    """No variable that holds a secret is set, by the file or by a build argument."""
    text = path.read_text()
    secret = {name for name in VARIABLES if re.search("SECRET|TOKEN|KEY|PASSWORD", name)}
    assert {"WEBHOOK_SECRET", "TELEGRAM_BOT_TOKEN"} <= secret
    assert not [name for name in secret if re.search(rf"\b{name}\b", text)]


def test_image_is_built_from_locked_wheels() -> None:
    """What is installed is a wheel with a hash of the lock, or our own source without anything else."""
    installs = re.findall(r"/python install ([^&]*)", "&&".join(one.rest for one in BUILD.of("RUN")))
    assert [line.strip() for line in installs] == [
        "--only-binary=:all: --require-hashes -r requirements.lock",
        "--no-deps --no-build-isolation .",
    ]


def test_lock_holds_what_a_container_may_be_told_to_use() -> None:
    """Drivers of PostgreSQL and Redis are in the lock, so that their addresses work in the image."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    wanted = {re.split(r"[\[>=]", line)[0] for line in extras["postgres"] + extras["redis"]}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert wanted <= locked


@pytest.mark.parametrize("stage", [BUILD, FINAL], ids=["build", "final"])
def test_copied_files_exist_and_are_sent_to_the_builder(stage: Stage) -> None:
    """Whatever is copied is there, and `.dockerignore` lets it through."""
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    sources = [
        source for one in stage.of("COPY") if "--from" not in one.rest for source in one.arguments[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source in let_through


def test_builder_is_sent_only_what_is_copied() -> None:
    """No data, no secret and no history reaches the builder: everything is left out but what is copied."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = {source for stage in (BUILD, FINAL) for one in stage.of("COPY") for source in one.arguments[:-1]}
    assert lines[0] == "*"
    assert {line[1:] for line in lines if line.startswith("!")} == copied - {"/opt/wireroom"}


def test_image_starts_the_program_under_an_init_in_exec_form() -> None:
    """A signal reaches Wireroom itself, and something reaps what agents leave behind."""
    (entry,), (command,) = FINAL.of("ENTRYPOINT"), FINAL.of("CMD")
    assert entry.arguments == ["/usr/bin/tini", "--", "wireroom"]
    assert command.arguments == ["up"]
    assert {"ca-certificates", "git", "tini"} <= set(FINAL.of("RUN")[0].rest.split())
    assert FINAL.of("STOPSIGNAL")[0].rest == "SIGTERM"


def test_image_sets_only_settings_that_exist_and_listens_where_it_says() -> None:
    """Its variables are settings or Python's own; the exposed port is the one that is listened on."""
    variables = FINAL.variables
    assert set(variables) - VARIABLES == {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    assert variables["HOST"] == "0.0.0.0"  # noqa: S104 - what a container must listen on
    assert [variables["PORT"]] == [one.rest for one in FINAL.of("EXPOSE")]
    assert [variables["WIREROOM_DATA_DIR"]] == [one.rest for one in FINAL.of("VOLUME")]


def _health_command() -> list[str]:
    """Return the HEALTHCHECK's command, with this machine's Python and the file where it lies here."""
    _, _, command = FINAL.of("HEALTHCHECK")[0].rest.partition("CMD ")
    here = {"/opt/wireroom/bin/python": sys.executable, "/opt/wireroom/healthy.py": f"{DEPLOY}/healthy.py"}
    return [here.get(word, word) for word in json.loads(command)]


def _health(port: int) -> subprocess.CompletedProcess[str]:
    environment = {"HOST": "0.0.0.0", "PORT": str(port)}  # noqa: S104 - as in the image
    return subprocess.run(
        _health_command(), env=environment, capture_output=True, text=True, check=False, timeout=10
    )


async def test_health_check_tells_a_service_from_none(database_path: Path) -> None:
    """The image's own command passes on a running service, and fails with the reason once it is gone."""
    async with running_service(database_path.parent) as service:
        port = int(service.address.rpartition(":")[2])
        alive = await asyncio.to_thread(_health, port)
    gone = await asyncio.to_thread(_health, port)
    assert (alive.returncode, alive.stderr) == (0, "")
    assert gone.returncode == 1
    assert "does not answer" in gone.stderr
