"""Talking with a supervised process: whatever either side does, it ends, bounded, and nothing is left."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from wireroom.backends.protocol import Command
from wireroom.runs.dialogue import MOST_WAITING_BYTES, Dialogue, Talk
from wireroom.runs.limits import Ending, Limits
from wireroom.runs.pipes import CHUNK_BYTES
from wireroom.runs.supervisor import Outcome, Receivers, supervise
from wireroom.testing.leaks import LeakCheck

pytestmark = pytest.mark.timeout(60)

_SCOPE = "talk-test"
LIMITS = Limits(
    hard=timedelta(seconds=1),
    idle=timedelta(seconds=0.6),
    polite=timedelta(seconds=0.2),
    grace=timedelta(seconds=0.3),
    drain=timedelta(seconds=0.3),
)


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    """Fail a test that leaves a process, a descriptor or a task behind."""
    check = LeakCheck(_SCOPE)
    yield
    await check.assert_none()


async def _run(folder: Path, script: str, talk: Talk, cancel: asyncio.Event | None = None) -> Outcome:
    command = Command(("sh", "-c", script), folder, {"PATH": os.environ["PATH"]})
    receivers = Receivers(lambda _: None)
    return await supervise(
        command,
        LIMITS,
        receivers,
        cancel=cancel or asyncio.Event(),
        spill_dir=folder,
        scope=f"{_SCOPE}-{time.monotonic_ns()}",
        talk=talk,
    )


async def test_talk_goes_both_ways_and_ends_the_program(tmp_path: Path) -> None:
    """Lines go to and fro; when the talk is over, a program that waits for more is let go."""
    heard: list[str | None] = []

    async def talk(dialogue: Dialogue) -> None:
        for word in ("one", "two"):
            await dialogue.send(word)
            heard.append(await dialogue.receive())

    outcome = await _run(tmp_path, "cat", talk)
    assert heard == ["one", "two"]
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
    assert outcome.duration < timedelta(seconds=0.5)


async def test_talk_hears_everything_before_the_end(tmp_path: Path) -> None:
    """Lines that were written just before the exit are heard, and then the end."""
    heard: list[str] = []

    async def talk(dialogue: Dialogue) -> None:
        while (line := await dialogue.receive()) is not None:
            heard.append(line)

    await _run(tmp_path, "seq 20000; printf last", talk)
    assert heard == [*(str(number) for number in range(1, 20001)), "last"]


async def test_program_that_never_reads_does_not_hold_the_talk(tmp_path: Path) -> None:
    """A line that nobody reads ends as an idle timeout."""

    async def talk(dialogue: Dialogue) -> None:
        await dialogue.send("x" * 1_000_000)

    outcome = await _run(tmp_path, "sleep 60", talk)
    assert outcome.ending is Ending.IDLE_TIMEOUT


async def test_lines_that_nobody_hears_are_bounded(tmp_path: Path) -> None:
    """A talk that does not listen holds up the program, not our memory."""
    waiting: list[int] = []

    async def talk(dialogue: Dialogue) -> None:
        while True:
            waiting.append(dialogue._waiting)
            await asyncio.sleep(0.01)

    outcome = await _run(tmp_path, "yes", talk)
    # A chunk of the shortest lines weighs more than its bytes: what each line costs us is counted too.
    assert max(waiting) <= MOST_WAITING_BYTES + CHUNK_BYTES // 2 * 65
    assert outcome.ending in {Ending.IDLE_TIMEOUT, Ending.HARD_TIMEOUT}


async def test_error_of_the_talk_ends_the_program_and_is_raised(tmp_path: Path) -> None:
    """A talk that breaks leaves no process."""

    async def talk(_dialogue: Dialogue) -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        await _run(tmp_path, "sleep 60", talk)


@pytest.mark.parametrize("polite", [True, False], ids=["listens", "deaf"])
async def test_talk_is_told_to_stop_first(tmp_path: Path, polite: bool) -> None:
    """A stop reaches the talk before the program; neither can hold it up."""
    cancel, told = asyncio.Event(), []

    async def talk(dialogue: Dialogue) -> None:
        cancel.set()
        await dialogue.stop.wait()
        told.append(True)
        if not polite:
            await asyncio.Event().wait()

    started = time.monotonic()
    outcome = await _run(tmp_path, "trap '' TERM; sleep 60", talk, cancel)
    assert outcome.ending is Ending.CANCELLED
    assert told
    assert time.monotonic() - started < 3


async def test_silence_does_not_count_while_a_person_thinks(tmp_path: Path) -> None:
    """The idle limit stands still for a person, and runs again afterwards."""

    async def talk(dialogue: Dialogue) -> None:
        with dialogue.waiting_for_person():
            await asyncio.sleep(0.8)
        await dialogue.send("well")

    assert (await _run(tmp_path, "cat", talk)).ending is Ending.EXITED
