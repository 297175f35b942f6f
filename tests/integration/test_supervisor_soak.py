"""Every fault of the scripted agent, again and again under the supervisor alone, leaves nothing behind.

The whole runner is soaked by `test_runner_soak`.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import uuid
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import uvloop

from wireroom.backends.protocol import Command
from wireroom.runs.supervisor import Limits, Outcome, Receivers, supervise
from wireroom.testing.leaks import LeakCheck
from wireroom.testing.scripted_agent import ScriptedAgent

RUNS = int(os.environ.get("WIREROOM_SOAK_RUNS", "190"))
SLOTS = 16

LIMITS = Limits(
    hard=timedelta(seconds=30),
    idle=timedelta(seconds=30),
    grace=timedelta(seconds=0.05),
    drain=timedelta(seconds=0.05),
    head_bytes=2048,
    tail_bytes=2048,
    line_bytes=4096,
)
SHORT = replace(LIMITS, hard=timedelta(seconds=0.2))
SILENT = replace(LIMITS, idle=timedelta(seconds=0.2))

FAULTS: dict[str, tuple[str, Limits, str]] = {
    "answers": ("say hello", LIMITS, "exited 0"),
    "fails": ("say hello; exit 3", LIMITS, "exited 3"),
    "crashes": ("say hello; crash", LIMITS, "exited None"),
    "hangs": ("say hello; hang", SHORT, "hard_timeout None"),
    "falls-silent": ("say hello; hang", SILENT, "idle_timeout None"),
    "ignores-sigterm": ("stubborn; hang", SHORT, "hard_timeout None"),
    "floods": ("flood 500", LIMITS, "exited 0"),
    "leaves-an-orphan": ("orphan; say hello", LIMITS, "exited 0"),
    "leaves-a-daemon": ("daemon; say hello", LIMITS, "exited 0"),
    "leaves-a-stubborn-orphan": ("stubborn; orphan; exit 1", LIMITS, "exited 1"),
    "splits-code-points": ("utf8 žluť🐎", LIMITS, "exited 0"),
    "writes-a-huge-line": ("line 100000", LIMITS, "exited 0"),
    "closes-stdout": ("close; exit 2", LIMITS, "exited 2"),
    "exits-before-its-child": ("late 0.01; exit 0", LIMITS, "exited 0"),
    "half-a-line": ("partial half", LIMITS, "exited 0"),
    "stopped": ("hang", LIMITS, "cancelled None"),
    "task-cancelled": ("orphan; hang", LIMITS, "raised CancelledError"),
    "receiver-fails": ("flood 500; hang", LIMITS, "raised ZeroDivisionError"),
    "not-installed": ("", LIMITS, "raised AgentUnavailable"),
}


class Soak:
    """Runs the faults in turn, `SLOTS` at a time, and counts how they ended."""

    def __init__(self, folder: Path) -> None:
        self.prefix = f"soak-{uuid.uuid4().hex}"
        self.seen: Counter[tuple[str, str]] = Counter()
        self.named: set[Path] = set()
        self.free = asyncio.Semaphore(SLOTS)
        self._folder = folder
        self._agent = ScriptedAgent(folder)
        self.spill_dir = folder / "spill"
        self.spill_dir.mkdir()

    async def run_all(self) -> None:
        """Run every fault again and again until there were `RUNS` runs."""
        faults = itertools.islice(itertools.cycle(FAULTS), RUNS)
        async with asyncio.TaskGroup() as group:
            for number, fault in enumerate(faults):
                await self.free.acquire()
                group.create_task(self._run(number, fault), name=fault).add_done_callback(
                    lambda _task: self.free.release()
                )

    async def _run(self, number: int, fault: str) -> None:
        cancel = asyncio.Event()
        running = asyncio.create_task(self._supervise(number, fault, cancel), name=f"run {number}")
        if fault == "stopped":
            asyncio.get_running_loop().call_later(0.1, cancel.set)
        if fault == "task-cancelled":
            asyncio.get_running_loop().call_later(0.1, running.cancel)
        await asyncio.wait({running})
        self.seen[fault, self._ending(running)] += 1

    def _ending(self, running: asyncio.Task[Outcome]) -> str:
        if running.cancelled():
            return "raised CancelledError"
        if error := running.exception():
            return f"raised {type(error).__name__}"
        outcome = running.result()
        self.named |= {path for path in (outcome.stdout.spill, outcome.stderr.spill) if path}
        return f"{outcome.ending} {outcome.exit_code}"

    async def _supervise(self, number: int, fault: str, cancel: asyncio.Event) -> Outcome:
        script, limits, _ = FAULTS[fault]
        command = self._agent.command(script, self._folder)
        if fault == "not-installed":
            command = Command(("no-such-program",), self._folder, {})
        receivers = Receivers(_break if fault == "receiver-fails" else _ignore)
        return await supervise(
            command,
            limits,
            receivers,
            cancel=cancel,
            spill_dir=self.spill_dir,
            scope=f"{self.prefix}.{number}",
        )


def _ignore(_line: str) -> None:
    pass


def _break(_line: str) -> None:
    raise ZeroDivisionError


@pytest.mark.slow
def test_supervisor_leaves_nothing_behind_over_every_fault(tmp_path: Path) -> None:
    """Each fault ends as expected each time; no slot, process, descriptor, task or unnamed file is left."""

    async def soak() -> None:
        made = Soak(tmp_path)
        check = LeakCheck(made.prefix)
        await made.run_all()
        await check.assert_none()
        expected = Counter(
            (fault, FAULTS[fault][2]) for fault in itertools.islice(itertools.cycle(FAULTS), RUNS)
        )
        assert made.seen == expected
        assert not made.free.locked()
        assert made.free._value == SLOTS
        assert set(made.spill_dir.iterdir()) == made.named

    uvloop.run(soak())
