"""Runs one program to its end: the one owner of its process group, pipes, timers and spill files.

The scope ends when the program *exits*, not when its pipes close. Whatever happens (exit, timeout,
cancellation, an error of a receiver), its descendants are ended, the program reaped and every descriptor
closed before `supervise` returns. What the lines mean is the back end's matter, what the end means the
executor's. A program may be talked with (`talk`): then the scope also ends when the talk does.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from wireroom.backends.protocol import Command
from wireroom.runs.dialogue import Dialogue, Talk
from wireroom.runs.limits import Ending, Limits, next_step
from wireroom.runs.output import CappedOutput, Captured, LineSplitter
from wireroom.runs.pipes import feed, pump
from wireroom.runs.process_exit import exit_of
from wireroom.runs.process_group import KILL_LIMIT, Members, ProcessMark, mark_process
from wireroom.runs.spawn import start_process

__all__ = ["Ending", "Limits", "Outcome", "ProcessMark", "Receivers", "supervise"]


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
    talk: Talk | None = None,
) -> Outcome:
    """Start the program, hand on its lines, and return when it and all its descendants are gone.

    Setting `cancel` stops the program: SIGTERM, `limits.grace`, SIGKILL. Cancelling the task does the same,
    but raises afterwards and removes the spill files. Output that memory does not hold goes to `spill_dir`,
    which is made when needed. `scope` names the attempt uniquely in the child's environment; None: invented.

    With `talk`, standard input stays open and lines of stdout go to the talk instead of `receivers.on_line`.
    Once it returns, the program has served: its standard input is closed, it gets `limits.polite` to exit,
    and the ending is `EXITED`. When the program has to be stopped, the talk is told first and gets as long.

    Raises:
        AgentUnavailable: the program or its folder is missing, may not be used, or cannot be started.
    """
    stdin = command.stdin if talk is None else b""
    popen = start_process(replace(command, stdin=stdin), scope := scope or uuid.uuid4().hex)
    attempt = _Attempt(popen, mark_process(popen.pid, scope), limits, spill_dir)
    try:
        if receivers.on_started is not None:
            await receivers.on_started(attempt.mark)
        attempt.begin(command.stdin, receivers, talk)
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
        self._dialogue: Dialogue | None = None
        self._started = time.monotonic()
        self._last_output: float | None = None

    def begin(self, stdin: bytes | None, receivers: Receivers, talk: Talk | None) -> None:
        """Start to read both outputs, and to write standard input or to talk."""
        self._read(self._popen.stderr, self._stderr, receivers.on_error_line)
        pipe = self._popen.stdin
        if talk is not None and pipe is not None:
            dialogue = self._dialogue = Dialogue(pipe, talk, f"agent {self.mark.pid} talk")
            reading = self._read(self._popen.stdout, self._stdout, dialogue.put, dialogue.has_room)
            reading.add_done_callback(lambda _: dialogue.end_of_output())
            return
        self._read(self._popen.stdout, self._stdout, receivers.on_line)
        if pipe is not None:
            self._writer = self._task("stdin", feed(pipe, stdin or b""))

    async def watch(self, cancel: asyncio.Event) -> Ending:
        """Wait until the program exits, has served or must be ended; raise what a receiver or talk raised."""
        exited = self._task("exit", exit_of(self._popen))
        cancelled = self._task("cancel", _set(cancel))
        try:
            while True:
                now = time.monotonic()
                step = next_step(
                    self._limits,
                    now=now,
                    started=self._started,
                    last_output=self._last_sign_of_life(now),
                    exited=exited.done() or self._has_served,
                    cancelled=cancel.is_set(),
                )
                if isinstance(step, Ending):
                    return step
                working = {task for task in self._receiving if not task.done()}
                await asyncio.wait(
                    {exited, cancelled, *working}, timeout=step.seconds, return_when=asyncio.FIRST_COMPLETED
                )
                self._raise_from_receivers()
        finally:
            await _stop([exited, cancelled])

    async def end(self, ending: Ending) -> None:
        """Read what is left, end the group, reap the leader, close everything.

        The leader is reaped after its group: until then the number of both cannot be given to a stranger.
        """
        if self._dialogue is not None:
            await self._part(self._dialogue, ending)
        elif ending is Ending.EXITED:
            await self._drain()
        await self._members.end(self._limits.grace)
        await self._reap()
        await self._drain()
        await self._close()
        self._raise_from_receivers()

    async def _reap(self) -> None:
        """Collect the leader, which looks ended before its last thread has."""
        if self._popen.poll() is None:
            await self._exit_within(KILL_LIMIT)
            self._popen.poll()

    async def _exit_within(self, limit: timedelta) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(exit_of(self._popen), limit.total_seconds())

    async def abandon(self) -> None:
        """End the group and leave nothing behind, no spill files either: nobody will see an outcome."""
        if self._dialogue is not None:
            self._dialogue.task.cancel()
        await self._members.end(self._limits.grace)
        await self._reap()
        await self._close()
        self._stdout.discard()
        self._stderr.discard()

    async def _part(self, dialogue: Dialogue, ending: Ending) -> None:
        """Give a program that is talked with its chance to end by itself."""
        if ending is not Ending.EXITED:
            await dialogue.ask_to_stop(self._limits.polite)
        elif self._has_served and self._popen.stdin is not None:
            self._popen.stdin.close()
            await self._exit_within(self._limits.polite)
        else:
            await self._drain()

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

    def _read(
        self,
        pipe: IO[bytes] | None,
        output: CappedOutput,
        on_line: Callable[[str], None],
        has_room: Callable[[], Awaitable[None]] | None = None,
    ) -> asyncio.Task[None]:
        if pipe is None:
            raise ValueError("the program was started without the pipe")
        lines = LineSplitter(self._limits.line_bytes)
        task = self._task("read", pump(pipe, output, lines, on_line, self._note_output, has_room=has_room))
        self._readers.append(task)
        return task

    @property
    def _receiving(self) -> list[asyncio.Task[None]]:
        return self._readers if self._dialogue is None else [*self._readers, self._dialogue.task]

    @property
    def _has_served(self) -> bool:
        return self._dialogue is not None and self._dialogue.task.done()

    def _last_sign_of_life(self, now: float) -> float | None:
        """Return when a byte last went either way; now, while a person is waited for."""
        if self._dialogue is None:
            return self._last_output
        if self._dialogue.waits_for_person:
            return now
        return max(filter(None, (self._last_output, self._dialogue.last_sent)), default=None)

    def _note_output(self) -> None:
        self._last_output = time.monotonic()

    def _raise_from_receivers(self) -> None:
        for task in self._receiving:
            if task.done() and not task.cancelled():
                task.result()

    async def _drain(self) -> None:
        """Read to the end of both pipes, but no longer than `limits.drain` if a descendant holds them."""
        if self._readers:
            await asyncio.wait(self._readers, timeout=self._limits.drain.total_seconds())

    async def _close(self) -> None:
        if self._dialogue is not None:
            await self._dialogue.end(self._limits.drain)
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
