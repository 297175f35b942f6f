"""The supervisor against real processes and every way in which they misbehave."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
import tracemalloc
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uvloop

from wireroom.backends.demo import DemoParser
from wireroom.backends.protocol import Command, EventKind
from wireroom.errors import AgentUnavailable
from wireroom.runs.process_group import ProcessMark, kill_leftover, mark_process
from wireroom.runs.supervisor import Ending, Limits, Outcome, Receivers, supervise
from wireroom.testing.eventually import eventually
from wireroom.testing.leaks import LeakCheck
from wireroom.testing.scripted_agent import ScriptedAgent

LIMITS = Limits(
    hard=timedelta(seconds=20),
    idle=timedelta(seconds=20),
    grace=timedelta(seconds=0.2),
    drain=timedelta(seconds=0.2),
    head_bytes=4096,
    tail_bytes=4096,
    spill_bytes=1024 * 1024,
    line_bytes=2048,
)


class Bench:
    """Runs scripts in one folder and keeps the lines they wrote."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefix = f"test-{uuid.uuid4().hex}"
        self.agent = ScriptedAgent(folder)
        self.spill_dir = folder / "spill"
        self.cancel = asyncio.Event()
        self.lines: list[str] = []
        self.error_lines: list[str] = []
        self.marks: list[ProcessMark] = []

    async def run(self, script: str | Command, limits: Limits = LIMITS, **receivers: Any) -> Outcome:
        """Supervise the script, or another command, with some receivers replaced."""
        command = self.agent.command(script, self.folder) if isinstance(script, str) else script
        told = Receivers(self.lines.append, self.error_lines.append, self._keep_mark)
        return await supervise(
            command,
            limits,
            replace(told, **receivers),
            cancel=self.cancel,
            spill_dir=self.spill_dir,
            scope=f"{self.prefix}.{len(self.marks)}",
        )

    async def _keep_mark(self, mark: ProcessMark) -> None:
        self.marks.append(mark)

    def text(self) -> str:
        """Return what the agent said."""
        parser = DemoParser()
        events = [event for line in self.lines for event in parser.feed(line)]
        return "".join(event.payload["text"] for event in events if event.kind is EventKind.TEXT)

    def spilled(self) -> set[Path]:
        """Return the spill files."""
        return set(self.spill_dir.iterdir()) if self.spill_dir.exists() else set()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A bench that fails its test when a process, descriptor or task is left behind."""
    made = Bench(tmp_path)
    check = LeakCheck(made.prefix)
    yield made
    await check.assert_none()


async def test_supervisor_gives_lines_and_exit_code(bench: Bench) -> None:
    """Lines come in order without their ends, on the stream they were written to, and the code is told."""
    outcome = await bench.run("raw one; noise two; raw three; exit 3")
    assert (outcome.ending, outcome.exit_code, outcome.signal) == (Ending.EXITED, 3, None)
    assert (bench.lines, bench.error_lines) == (["one", "three"], ["two"])
    assert outcome.stdout.text == "one\nthree\n"
    assert outcome.stderr.is_whole
    assert bench.spilled() == set()


async def test_supervisor_names_the_signal_that_ended_the_program(bench: Bench) -> None:
    """A program killed by a signal has no exit code."""
    outcome = await bench.run("say before; crash")
    assert (outcome.ending, outcome.exit_code, outcome.signal) == (Ending.EXITED, None, signal.SIGKILL)
    assert bench.text() == "before"


@pytest.mark.parametrize(
    ("argv", "folder", "told"),
    [
        (("no-such-program-here",), ".", "no-such-program-here.*not on the PATH"),
        (("/bin/true",), "missing", "folder .*missing does not exist"),
        (("./plain",), ".", "chmod"),
        (("./nonsense",), ".", "no program of this machine"),
        (("/bin/true", "x" * 200_000), ".", "200009 bytes"),
        (("/bin/true", "a\0b"), ".", "NUL"),
    ],
    ids=["no-program", "no-folder", "not-executable", "no-format", "too-long", "nul"],
)
async def test_supervisor_explains_a_program_that_cannot_start(
    bench: Bench, argv: tuple[str, ...], folder: str, told: str
) -> None:
    """What prevents the start is AgentUnavailable with the name of the culprit, and leaves nothing behind."""
    (bench.folder / "plain").write_text("data")
    (bench.folder / "nonsense").write_bytes(b"\x01\x02\x03")
    (bench.folder / "nonsense").chmod(0o755)
    with pytest.raises(AgentUnavailable, match=told):
        await bench.run(Command(argv, bench.folder / folder, {"PATH": "/bin:/usr/bin"}))


async def test_supervisor_gives_the_child_only_the_stated_environment(bench: Bench) -> None:
    """The child sees the command's environment and its scope, nothing of ours."""
    await bench.run(Command(("/usr/bin/env",), bench.folder, {"PATH": "/usr/bin", "MINE": "1"}))
    assert sorted(bench.lines) == ["MINE=1", "PATH=/usr/bin", f"WIREROOM_SCOPE={bench.marks[0].scope}"]


async def test_supervisor_keeps_partial_output_at_the_hard_timeout(bench: Bench) -> None:
    """A program over its time is ended; what it said, even half a line, is kept."""
    outcome = await bench.run("say so far; partial half; hang", replace(LIMITS, hard=timedelta(seconds=0.3)))
    assert (outcome.ending, outcome.signal) == (Ending.HARD_TIMEOUT, signal.SIGTERM)
    assert bench.text() == "so far"
    assert bench.lines[-1] == "half"


@pytest.mark.parametrize("script", ["hang", "say something; hang"], ids=["silent", "fell-silent"])
async def test_supervisor_ends_a_silent_program(bench: Bench, script: str) -> None:
    """Silence counts from the start until the first byte, then from the last one."""
    outcome = await bench.run(script, replace(LIMITS, idle=timedelta(seconds=0.3)))
    assert outcome.ending is Ending.IDLE_TIMEOUT
    assert outcome.duration < timedelta(seconds=5)


async def test_supervisor_takes_stderr_as_a_sign_of_life(bench: Bench) -> None:
    """Output on stderr alone puts the idle timeout off."""
    steps = "; ".join(["noise alive; sleep 0.3"] * 6)
    outcome = await bench.run(steps, replace(LIMITS, idle=timedelta(seconds=1.2)))
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)


async def test_supervisor_stops_when_asked(bench: Bench) -> None:
    """A stop ends a program that obeys well within a second, and keeps what it said."""
    running = asyncio.create_task(bench.run("say started; hang"))
    await eventually(lambda: bench.lines, "the agent started")
    asked = time.monotonic()
    bench.cancel.set()
    outcome = await running
    assert time.monotonic() - asked < 1.0
    assert (outcome.ending, outcome.signal) == (Ending.CANCELLED, signal.SIGTERM)
    assert bench.text() == "started"


async def test_supervisor_kills_a_program_that_ignores_the_stop(bench: Bench) -> None:
    """SIGTERM is followed by SIGKILL after the grace."""
    running = asyncio.create_task(bench.run("stubborn; say ready; hang"))
    await eventually(lambda: bench.lines, "the agent ignores SIGTERM")
    bench.cancel.set()
    outcome = await running
    assert (outcome.ending, outcome.signal) == (Ending.CANCELLED, signal.SIGKILL)


async def test_supervisor_does_not_wait_for_a_grandchild_that_keeps_stdout(bench: Bench) -> None:
    """The run ends with its program; the descendant gets the drain time and is then ended."""
    outcome = await bench.run("orphan; say done; exit 0")
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)
    assert bench.text() == "done"
    assert outcome.duration < timedelta(seconds=5)


async def test_supervisor_kills_a_stubborn_grandchild(bench: Bench) -> None:
    """A descendant that ignores SIGTERM is killed after the grace although the program itself succeeded."""
    outcome = await bench.run("stubborn; orphan; say done; exit 0")
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)


async def test_supervisor_ends_a_daemon_that_left_the_group(bench: Bench) -> None:
    """A process that forked twice into its own session and closed everything is found by its scope."""
    outcome = await bench.run("daemon; say done")
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 0)


async def test_supervisor_reads_what_a_child_writes_after_the_exit(bench: Bench) -> None:
    """Within the drain time, output of a descendant still belongs to the run."""
    await bench.run("late 0.1; exit 0", replace(LIMITS, drain=timedelta(seconds=5)))
    assert bench.text() == "late"


async def test_supervisor_waits_for_a_program_that_closed_its_output(bench: Bench) -> None:
    """Closing stdout is not the end."""
    outcome = await bench.run("say last words; close; sleep 0.2; exit 4")
    assert (outcome.exit_code, bench.text()) == (4, "last words")


async def test_supervisor_spills_what_memory_does_not_hold(bench: Bench) -> None:
    """Large output fails nothing: both ends stay in memory and the file has all of it."""
    outcome = await bench.run("raw first; flood 4000; raw last")
    stdout = outcome.stdout
    assert (outcome.exit_code, stdout.is_whole, stdout.spill_error) == (0, False, None)
    assert stdout.text.startswith("first\n")
    assert '"event":"result"' in stdout.text.splitlines()[-1]
    assert stdout.spill is not None
    assert stdout.spill.stat().st_size == stdout.total_bytes == stdout.spilled_bytes
    assert bench.spilled() == {stdout.spill, outcome.stderr.spill}
    assert len(bench.lines) == 4003
    assert len(bench.error_lines) == 4000


async def test_supervisor_caps_the_spill_file(bench: Bench) -> None:
    """Beyond its cap the file ends, and all bytes are still counted."""
    outcome = await bench.run("flood 4000", replace(LIMITS, spill_bytes=50_000))
    assert outcome.stdout.spilled_bytes == 50_000
    assert outcome.stdout.total_bytes > 4000 * 64


async def test_supervisor_goes_on_without_a_place_to_spill(bench: Bench) -> None:
    """A spill folder that cannot be made is told, and fails nothing."""
    bench.spill_dir.write_text("a file where the folder should be")
    outcome = await bench.run("flood 4000; exit 0")
    bench.spill_dir.unlink()
    assert outcome.exit_code == 0
    assert outcome.stdout.spill is None
    assert "cannot spill" in (outcome.stdout.spill_error or "")


async def test_supervisor_bounds_its_memory_and_shares_the_loop(bench: Bench) -> None:
    """A flooding program grows neither our memory, nor does it keep other tasks from running."""
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    tracemalloc.start()
    try:
        await bench.run("flood 50_000", on_line=lambda _line: None, on_error_line=lambda _line: None)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        ticking.cancel()
    assert peak < 2_000_000
    assert turns > 50_000 / 64


async def test_supervisor_never_breaks_a_code_point(bench: Bench) -> None:
    """Text written byte by byte arrives as it was meant."""
    await bench.run("utf8 žluťoučký 🐎 — 你好")
    assert bench.text() == "žluťoučký 🐎 — 你好"


async def test_supervisor_cuts_a_huge_line(bench: Bench) -> None:
    """Of a line over the bound the beginning is given with a mark, and the next line is whole."""
    await bench.run("line 100000; raw next")
    assert bench.lines[0].startswith("y" * 2048)
    assert bench.lines[0].endswith("[line cut after 2048 of 100000 bytes]")
    assert bench.lines[1] == "next"


async def test_supervisor_writes_a_large_prompt_whole(bench: Bench) -> None:
    """A prompt larger than a pipe arrives whole."""
    prompt = "word " * 200_000
    command = bench.agent.command(prompt, bench.folder)
    await bench.run(command, replace(LIMITS, line_bytes=4_000_000))
    assert bench.text() == prompt


async def test_supervisor_accepts_a_program_that_does_not_read_its_prompt(bench: Bench) -> None:
    """A program that ends without reading a large prompt is judged by its exit alone."""
    command = Command(("/bin/true",), bench.folder, {}, stdin=b"x" * 1_000_000)
    assert (await bench.run(command)).exit_code == 0


async def test_supervisor_withholds_the_prompt_until_the_mark_is_kept(bench: Bench) -> None:
    """The program gets its prompt only after `on_started` returned, with the mark that finds the process."""
    kept: list[ProcessMark] = []

    async def keep(mark: ProcessMark) -> None:
        await asyncio.sleep(0.1)
        assert bench.agent.ledger.entries() == []
        assert mark == mark_process(mark.pid, mark.scope)
        kept.append(mark)

    await bench.run("pid", on_started=keep)
    assert bench.text() == str(kept[0].pid)
    assert kept[0].started_ticks > 0


async def test_supervisor_ends_its_program_without_a_free_descriptor(bench: Bench) -> None:
    """When the last descriptor is taken, the run still ends as its program does, and leaves nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def take_all(_mark: ProcessMark) -> None:
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))

    try:
        outcome = await bench.run("orphan; sleep 0.1; say done; exit 3", on_started=take_all)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (outcome.ending, outcome.exit_code, bench.text()) == (Ending.EXITED, 3, "done")


class Broken(Exception):
    """Raised by a receiver."""


async def _refuse(_mark: ProcessMark) -> None:
    raise Broken


def _break(_line: str) -> None:
    raise Broken


@pytest.mark.parametrize(
    "receivers",
    [{"on_started": _refuse}, {"on_line": _break}, {"on_error_line": _break}],
    ids=["started", "line", "error-line"],
)
async def test_supervisor_ends_everything_when_a_receiver_fails(
    bench: Bench, receivers: dict[str, Any]
) -> None:
    """An exception of a receiver ends the program and is raised, and no spill file stays."""
    with pytest.raises(Broken):
        await bench.run("flood 1000; orphan; hang", **receivers)
    assert bench.spilled() == set()


async def test_supervisor_cleans_up_when_its_task_is_cancelled(bench: Bench) -> None:
    """A cancelled task ends the group, reaps, removes its files, and stays cancelled."""
    running = asyncio.create_task(bench.run("stubborn; orphan; flood 1000; say ready; hang"))
    await eventually(lambda: bench.text() == "ready", "the agent is ready")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.spilled() == set()


async def test_supervisor_cleans_up_when_cancelled_again_and_again(bench: Bench) -> None:
    """Cancelling during the clean-up neither shortens it nor is forgotten."""
    running = asyncio.create_task(bench.run("stubborn; orphan; say ready; hang"))
    await eventually(lambda: bench.lines, "the agent is ready")
    bench.cancel.set()
    while not running.done():
        await asyncio.sleep(0.01)
        running.cancel()
    assert running.cancelled()


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_supervisor_behaves_the_same_on_every_loop(
    tmp_path: Path, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    """Exit, timeout, stop, prompt and clean-up hold on the standard loop and on uvloop."""

    async def scenario() -> None:
        made = Bench(tmp_path)
        check = LeakCheck(made.prefix)
        assert (await made.run("daemon; orphan; say " + "x" * 100_000)).exit_code == 0
        timed_out = await made.run("hang", replace(LIMITS, hard=timedelta(seconds=0.2)))
        assert timed_out.ending is Ending.HARD_TIMEOUT
        made.cancel.set()
        assert (await made.run("hang")).ending is Ending.CANCELLED
        await check.assert_none()

    run(scenario())


async def test_kill_leftover_ends_the_process_of_a_killed_supervisor(bench: Bench) -> None:
    """After kill -9 of the supervising process, its mark finds and ends the agent and what left its group."""
    code = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from wireroom.runs.supervisor import *\n"
        "from wireroom.testing.scripted_agent import ScriptedAgent\n"
        "folder = Path(sys.argv[1])\n"
        "async def started(mark): print(mark.pid, mark.started_ticks, flush=True)\n"
        "command = ScriptedAgent(folder).command('stubborn; daemon; orphan; say ready; hang', folder)\n"
        "receivers = Receivers(lambda line: print(line, flush=True), on_started=started)\n"
        "asyncio.run(supervise(command, Limits(), receivers, cancel=asyncio.Event(), spill_dir=folder,"
        " scope=sys.argv[2]))\n"
    )
    lost = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, bench.folder, f"{bench.prefix}.lost", stdout=subprocess.PIPE
    )
    assert lost.stdout is not None
    pid, ticks = (int(word) for word in (await lost.stdout.readline()).split())
    assert b"ready" in await lost.stdout.readline()
    lost.kill()
    await lost.wait()
    mark = ProcessMark(pid, ticks, f"{bench.prefix}.lost")
    assert await kill_leftover(mark, timedelta(seconds=0.1))
    assert not await kill_leftover(mark, timedelta(seconds=0.1))


async def test_kill_leftover_spares_a_stranger_with_the_same_number(bench: Bench) -> None:
    """A process that has the number of the lost one but another start time is not touched."""
    stranger = await asyncio.create_subprocess_exec("sleep", "60", start_new_session=True)
    try:
        ticks = mark_process(stranger.pid, "").started_ticks
        mark = ProcessMark(stranger.pid, ticks - 1, f"{bench.prefix}.gone")
        assert not await kill_leftover(mark, timedelta(seconds=0.1))
        os.kill(stranger.pid, 0)
        assert mark_process(stranger.pid, "").started_ticks == ticks
    finally:
        stranger.kill()
        await stranger.wait()
