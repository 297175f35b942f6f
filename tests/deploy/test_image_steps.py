"""The image's build stage, its commands run as they stand, with a folder for each of the image's.

Only with `WIREROOM_TEST_IMAGE=1`: it fetches every library, which takes a minute and a half. That
`.dockerignore` lets through what is copied is held by `test_image`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.dockerfile import Instruction, stages
from wireroom.testing.eventually import eventually
from wireroom.testing.ports import free_port

ROOT = Path(__file__).parents[2]
BUILD, FINAL = stages(ROOT / "deploy" / "Dockerfile")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what the build stage leaves in `/opt/wireroom`."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "build").mkdir()
    for one in BUILD.instructions:
        if one.word == "COPY":
            _copy(one, folder / "build")
        if one.word == "RUN":
            _run(one.rest, folder)
    return folder / "wireroom"


def _copy(one: Instruction, build: Path) -> None:
    *sources, target = one.arguments
    for source in sources:
        if (ROOT / source).is_dir():
            left_out = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(ROOT / source, build / target, ignore=left_out)
        else:
            shutil.copy2(ROOT / source, build / target)


def _run(command: str, folder: Path) -> None:
    """Run a RUN line in the stage's work folder, with this Python and its pip for the base image's."""
    here = command.replace("/opt/wireroom", str(folder / "wireroom"))
    variables = {name: value for name, value in BUILD.variables.items() if not value.startswith("$")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["/bin/sh", "-ec", here],
        cwd=folder / "build",
        env={**os.environ, **variables, "SOURCE_DATE_EPOCH": "0", "PATH": path},
        check=True,
        timeout=600,
    )


@pytest.mark.timeout(900)
def test_build_leaves_the_program_and_no_tools(installed: Path) -> None:
    """There is the program of this version, every library of the lock is usable, and pip is not there."""
    python = installed / "bin" / "python"
    told = subprocess.run(
        [installed / "bin" / "wireroom", "version"], capture_output=True, text=True, check=True
    )
    loads = "import hiredis, procrastinate, psycopg, redis, wireroom.app.service; print(wireroom.__file__)"
    loaded = subprocess.run([python, "-I", "-c", loads], capture_output=True, text=True, check=True)
    assert told.stdout.strip()
    assert Path(loaded.stdout.strip()).is_relative_to(installed)
    assert not list(installed.glob("lib/*/site-packages/pip"))


@pytest.mark.timeout(900)
def test_build_compiles_our_code_by_content(installed: Path) -> None:
    """Compiled files carry a hash of their source and no time, so that two builds are the same."""
    (compiled,) = installed.glob("lib/*/site-packages/wireroom/__pycache__/settings.*.pyc")
    flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
    assert flags == 0b01


@pytest.mark.timeout(900)
async def test_built_program_serves_and_passes_its_health_check(installed: Path, tmp_path: Path) -> None:
    """Started with the image's own settings, the program becomes healthy, and stops on SIGTERM."""
    port = free_port()
    variables = {"HOST": FINAL.variables["HOST"], "PORT": str(port), "WIREROOM_DATA_DIR": str(tmp_path)}
    python = installed / "bin" / "python"

    def healthy() -> bool:
        command = [str(python), "-I", str(ROOT / "deploy" / "healthy.py")]
        return subprocess.run(command, env=variables, capture_output=True, check=False).returncode == 0

    with _started([installed / "bin" / "wireroom", "up"], variables) as process:
        await eventually(healthy, "the program is healthy", timeout_seconds=30)
        process.terminate()
        assert process.wait(timeout=30) == 0


@contextmanager
def _started(command: list[str | Path], variables: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    environment = {"PATH": os.environ["PATH"], "HOME": variables["WIREROOM_DATA_DIR"], **variables}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
