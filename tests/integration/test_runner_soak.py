"""Runs over every fault of the scripted agent leave nothing behind, in memory neither."""

from __future__ import annotations

import json
import os
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
import uvloop
from sqlalchemy import Connection, text

from runner_soak import QUICK, SLOTS, SLOW, Sample, plan, soaking
from wireroom.testing.leaks import LeakCheck

RUNS = int(os.environ.get("WIREROOM_SOAK_RUNS", "120"))
"""How many runs; `python -m bench.soak` asks for 10,000."""
REPORT = os.environ.get("WIREROOM_SOAK_REPORT", "")
"""File for what was sampled on the way, JSON; empty for none."""
MOST_GROWTH_BYTES = 16 * 1024 * 1024
_LEFT = {
    "unfinished runs": "SELECT count(*) FROM runs WHERE finished_at IS NULL",
    "open attempts": "SELECT count(*) FROM run_attempts WHERE finished_at IS NULL",
    "jobs": "SELECT count(*) FROM jobs WHERE state IN ('waiting', 'running')",
}


@pytest.mark.slow
@pytest.mark.timeout(60 + RUNS)
def test_runner_leaves_nothing_behind_over_every_fault(database_path: Path) -> None:
    """Every run ends as it must; no slot, row, process, descriptor, task or file is left; memory is flat."""

    async def soak() -> None:
        async with soaking(database_path) as made:
            await made.soak.run([*QUICK, *SLOW])  # opens what is opened once
            made.soak.samples.clear()
            made.soak.ended.clear()
            check = LeakCheck(made.prefix)
            faults = plan(RUNS)
            await made.soak.run(faults)
            await check.assert_none()
            assert made.soak.wrong == Counter()
            assert made.soak.ended == Counter(faults)
            assert made.worker._tallies["runs"].free == SLOTS
            assert await made.db.read(_left) == dict.fromkeys(_LEFT, 0)
            assert [*_files(database_path.parent / "spill"), *_files(database_path.parent / "private")] == []
            _report(made.soak.samples)
            assert growth(made.soak.samples) < MOST_GROWTH_BYTES

    uvloop.run(soak())


def growth(samples: Sequence[Sample]) -> int:
    """Return by how many bytes the last quarter's median is above the second quarter's."""
    sizes, quarter = [sample.rss_bytes for sample in samples], len(samples) // 4
    return int(statistics.median(sizes[-quarter:]) - statistics.median(sizes[quarter : 2 * quarter]))


def _left(conn: Connection) -> dict[str, int]:
    return {what: int(conn.execute(text(query)).scalar_one()) for what, query in _LEFT.items()}


def _files(folder: Path) -> list[Path]:
    return list(folder.rglob("*")) if folder.is_dir() else []


def _report(samples: Sequence[Sample]) -> None:
    if REPORT:
        Path(REPORT).write_text(json.dumps([asdict(sample) for sample in samples]))
