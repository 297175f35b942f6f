"""Real workers, started and stopped by the autoscaler's decisions on what they show on /metrics.

`WIREROOM_TEST_AUTOSCALE=1` plays the whole spike on 1 to 6 workers by a cluster's clock, in 20 minutes; 2, on
a quiet machine, twice as fast. The default is a small one on 1 to 3 workers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from wireroom.autoscale.course import Course
from wireroom.autoscale.drive import RealSite, drive
from wireroom.autoscale.manifest import read_autoscaler
from wireroom.autoscale.spec import Policy, PolicyKind, Rules, Spec
from wireroom.autoscale.traces import Shape, Trace, spike_trace, trace_of
from wireroom.autoscale.verdicts import judge
from wireroom.cli.main import cli
from wireroom.errors import WireroomError
from wireroom.testing.postgres_server import PostgresServer

ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "deploy" / "kubernetes" / "components" / "hpa" / "autoscalers.yaml"
WORKERS = read_autoscaler(MANIFEST, "worker")
SCALE = float(os.environ.get("WIREROOM_TEST_AUTOSCALE", "0"))


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[str]:
    """Lend an empty PostgreSQL database."""
    with postgres.database() as url:
        yield url


def _failed(course: Course) -> list[str]:
    return [verdict.name for verdict in judge(course, wait_target_seconds=30) if not verdict.holds]


async def _driven(spec: Spec, trace: Trace, site: RealSite, database: str, folder: Path) -> Course:
    told: list[str] = []
    course = await drive(spec, trace, site, database_url=database, folder=folder, tell=told.append)
    assert len(told) == len(course.changes) + 1
    return course


@dataclass(frozen=True, slots=True)
class _Play:
    """One size of the test."""

    spec: Spec
    trace: Trace
    site: RealSite
    excused: frozenset[str]
    """Promises that say little at this size: processes that need seconds to start are late in short time."""


def _play() -> _Play:
    if SCALE:
        whole = replace(trace_of(Shape.SPIKE, 0.067), seconds=1200)
        six = replace(WORKERS, min_replicas=1, max_replicas=6)
        return _Play(six, whole, RealSite(job_seconds=30, scale=SCALE), frozenset())
    three = replace(
        WORKERS, min_replicas=1, max_replicas=3, down=Rules(45, (Policy(PolicyKind.PODS, 1, 15),))
    )
    short = spike_trace(0.1, quiet=15, spike=60, after=700)
    return _Play(
        three, short, RealSite(slots=4, job_seconds=20, scale=40), frozenset({"wait p95", "flapping"})
    )


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(300 if not SCALE else 3600)
async def test_no_work_is_lost_when_real_workers_come_and_go(database: str, tmp_path: Path) -> None:
    """Real workers are started under a spike, and ended by SIGTERM while they work; all is done, once."""
    play = _play()
    course = await _driven(play.spec, play.trace, play.site, database, tmp_path)
    assert {change.sign for change in course.changes} == {1, -1}
    assert course.arrived > 60
    assert [name for name in _failed(course) if name not in play.excused] == []


@pytest.mark.postgres
async def test_database_with_runs_is_not_used(database: str, tmp_path: Path) -> None:
    """Somebody's own installation is never filled with made-up work."""
    with psycopg.connect(database) as connection:
        connection.execute(
            "INSERT INTO conversations"
            " (id, channel, lane, is_current, title, workdir, message_count, created_at, active_at)"
            " VALUES ('c', 'web', 'web:main', 1, 'x', '/w', 0, 1, 1)"
        )
        connection.execute(
            "INSERT INTO runs (id, request_id, conversation_id, lane, source, prompt, backend, workdir,"
            " state, epoch, interruptions, event_count, queued_at)"
            " VALUES ('r', 'q', 'c', 'web:main', 'web', 'x', 'demo', '/w', 'succeeded', 1, 0, 0, 1)"
        )
    with pytest.raises(WireroomError, match="empty"):
        await _driven(WORKERS, trace_of(Shape.STEADY, 0.1), RealSite(), database, tmp_path)


async def test_process_that_does_not_start_says_why(tmp_path: Path) -> None:
    """What is wrong is told in the process's own words, and nothing is left open or running."""
    file = f"sqlite:///{tmp_path / 'one-owner.sqlite3'}"
    with pytest.raises(WireroomError, match=r"did not start(?s:.*)needs PostgreSQL"):
        await _driven(WORKERS, trace_of(Shape.STEADY, 0.1), RealSite(), file, tmp_path)


def test_command_tells_what_it_proves_and_draws_it(tmp_path: Path) -> None:
    """The command's defaults are the manifest of clusters and a spike; the exit code is the verdict."""
    plot = tmp_path / "spike.svg"
    words = ["autoscale", "simulate", "--hpa", str(MANIFEST)]
    kept = CliRunner().invoke(cli, [*words, "--plot", str(plot)])
    assert kept.exit_code == 0, kept.output
    assert "ok  flapping: 0 of" in kept.output
    assert "Autoscaling: spike" in plot.read_text()
    broken = CliRunner().invoke(cli, [*words, "--start-seconds", "120"])
    assert broken.exit_code == 1
    assert "NO  wait p95" in broken.output
