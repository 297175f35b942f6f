"""Runs one program to its end: the one owner of its process group, pipes, timers and spill files.

The scope ends when the program *exits*, not when its pipes close. Whatever happens (exit, timeout,
cancellation, an error of a receiver), its descendants are ended, the program reaped and every descriptor
closed before `supervise` returns. What the lines mean is the back end's matter, what the end means the
executor's.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from wireroom.backends.protocol import Command
from wireroom.runs.limits import Ending, Limits, next_step
from wireroom.runs.output import CappedOutput, Captured, LineSplitter
from wireroom.runs.pipes import feed, pump, readable
from wireroom.runs.process_group import Members, ProcessMark, mark_process
from wireroom.runs.spawn import start_process

__all__ = ["Ending", "Limits", "Outcome", "ProcessMark", "Receivers", "supervise"]

_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the process ended and what it wrote. Spill files named here belong to the caller."""

    ending: Ending
    exit_code: int | None
    """What the program returned, in [0, 255]; None when a signal ended it."""
    signal: int | None
    """The signal that ended it, which may be ours: see `ending`."""
    stdout: Captured
    stderr: Captured
    duration: timedelta
    """From the start until nothing of it was left."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who is told what while the program runs. An exception of any of them ends the program and is raised."""

    on_line: Callable[[str], None]
    """Each line of stdout in order, without its line end; see `LineSplitter` for very long ones."""
    on_error_line: Callable[[str], None] = lambda _line: None
    """The same for stderr."""
    on_started: Callable[[ProcessMark], Awaitable[None]] | None = None
    """Called once, to store the mark. Standard input is written after it returned, so a process whose mark
    was never stored has not seen its prompt."""


async def supervise(
    command: Command,
    limits: Limits,
    receivers: Receivers,
    *,
    cancel: asyncio.Event,
    spill_dir: Path,
    scope: str | None = None,
) -> Outcome:
    """Start the program, hand on its lines, and return when it and all its descendants are gone.

    Setting `cancel` stops the program: SIGTERM, `limits.grace`, SIGKILL. Cancelling the task does the same,
    but raises afterwards and removes the spill files. Output that memory does not hold goes to `spill_dir`,
    which is made when needed. `scope` names the attempt uniquely in the child's environment; None: invented.

    Raises:
        AgentUnavailable: the program or its folder is missing, may not be used, or cannot be started.
    """
    popen = start_process(command, scope := scope or uuid.uuid4().hex)
    attempt = _Attempt(popen, mark_process(popen.pid, scope), limits, spill_dir)
    try:
        if receivers.on_started is not None:
            await receivers.on_started(attempt.mark)
        attempt.begin(command.stdin, receivers)
        ending = await attempt.watch(cancel)
        await _to_its_end(attempt.end(ending))
    except BaseException:
        await _to_its_end(attempt.abandon())
        raise
    return attempt.outcome(ending)


class _Attempt:
    """The scope of one process; `end` or `abandon` completes it, and both may be called again."""

    def __init__(
        self, popen: subprocess.Popen[bytes], mark: ProcessMark, limits: Limits, spill_dir: Path
    ) -> None:
        self.mark = mark
        self._popen = popen
        self._members = Members(mark, owns_group=True)
        self._limits = limits
        self._stdout = _collector(limits, spill_dir, f"{mark.scope}.stdout")
        self._stderr = _collector(limits, spill_dir, f"{mark.scope}.stderr")
        self._readers: list[asyncio.Task[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._started = time.monotonic()
        self._last_output: float | None = None

    def begin(self, stdin: bytes | None, receivers: Receivers) -> None:
        """Start to read both outputs and to write standard input."""
        self._read(self._popen.stdout, self._stdout, receivers.on_line)
        self._read(self._popen.stderr, self._stderr, receivers.on_error_line)
        if self._popen.stdin is not None:
            self._writer = self._task("stdin", feed(self._popen.stdin, stdin or b""))

    async def watch(self, cancel: asyncio.Event) -> Ending:
        """Wait until the program exits or has to be ended; raise what a receiver raised."""
        exited = self._task("exit", _exit_of(self._popen))
        cancelled = self._task("cancel", _set(cancel))
        try:
            while True:
                step = next_step(
                    self._limits,
                    now=time.monotonic(),
                    started=self._started,
                    last_output=self._last_output,
                    exited=exited.done(),
                    cancelled=cancel.is_set(),
                )
                if isinstance(step, Ending):
                    return step
                reading = {task for task in self._readers if not task.done()}
                await asyncio.wait(
                    {exited, cancelled, *reading}, timeout=step.seconds, return_when=asyncio.FIRST_COMPLETED
                )
                self._raise_from_receivers()
        finally:
            await _stop([exited, cancelled])

    async def end(self, ending: Ending) -> None:
        """Read what is left, end the group, reap the leader, close everything.

        The leader is reaped after its group: until then the number of both cannot be given to a stranger.
        """
        if ending is Ending.EXITED:
            await self._drain()
        await self._members.end(self._limits.grace)
        self._popen.poll()
        await self._drain()
        await self._close()
        self._raise_from_receivers()

    async def abandon(self) -> None:
        """End the group and leave nothing behind, no spill files either: nobody will see an outcome."""
        await self._members.end(self._limits.grace)
        self._popen.poll()
        await self._close()
        self._stdout.discard()
        self._stderr.discard()

    def outcome(self, ending: Ending) -> Outcome:
        """Return the result; call it once, after `end`."""
        code = self._popen.returncode
        return Outcome(
            ending=ending,
            exit_code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            stdout=self._stdout.close(),
            stderr=self._stderr.close(),
            duration=timedelta(seconds=time.monotonic() - self._started),
        )

    def _read(self, pipe: IO[bytes] | None, output: CappedOutput, on_line: Callable[[str], None]) -> None:
        if pipe is not None:
            lines = LineSplitter(self._limits.line_bytes)
            self._readers.append(self._task("read", pump(pipe, output, lines, on_line, self._note_output)))

    def _note_output(self) -> None:
        self._last_output = time.monotonic()

    def _raise_from_receivers(self) -> None:
        for task in self._readers:
            if task.done() and not task.cancelled():
                task.result()

    async def _drain(self) -> None:
        """Read to the end of both pipes, but no longer than `limits.drain` if a descendant holds them."""
        if self._readers:
            await asyncio.wait(self._readers, timeout=self._limits.drain.total_seconds())

    async def _close(self) -> None:
        await _stop(self._readers if self._writer is None else [*self._readers, self._writer])
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()

    def _task(self, what: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=f"agent {self.mark.pid} {what}")


def _collector(limits: Limits, spill_dir: Path, name: str) -> CappedOutput:
    return CappedOutput(
        head_bytes=limits.head_bytes,
        tail_bytes=limits.tail_bytes,
        spill_bytes=limits.spill_bytes,
        spill_dir=spill_dir,
        name=name,
    )


async def _exit_of(popen: subprocess.Popen[bytes]) -> None:
    """Wait for the exit without reaping; where that cannot be watched, poll."""
    descriptor = _process_descriptor(popen.pid)
    if descriptor is None:
        while not _has_exited(popen):  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
        return
    try:
        await readable(descriptor)
    finally:
        os.close(descriptor)


def _process_descriptor(pid: int) -> int | None:
    """Return a descriptor that is readable once the process has exited; None when there is none."""
    if sys.platform != "linux":
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def _has_exited(popen: subprocess.Popen[bytes]) -> bool:
    """True once the process has exited; leaves it to be reaped where the system can."""
    if sys.platform != "linux":
        return popen.poll() is not None
    return os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


async def _set(event: asyncio.Event) -> None:
    await event.wait()


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel the tasks and wait for them; their errors are looked at elsewhere."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await the work to its end, even if this task is cancelled meanwhile; that is raised afterwards."""
    task = asyncio.create_task(work, name="end agent")
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
