"""Runs small programs such as git to their end: output bounded, time bounded, no process left behind.

Agents have a supervisor of their own in `runs`, which is above this layer; what runs here takes seconds and
says little. A program leads its own session; its descendants are known by the group and, when they leave it,
by the scope in their environment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, Self

_SCOPE_VARIABLE = "WIREROOM_SCOPE"
_GRACE = timedelta(seconds=2)
"""Between SIGTERM, on which git removes its lock files, and SIGKILL."""
_DRAIN = timedelta(milliseconds=500)
"""How long the outputs are read after the exit when a descendant holds them open."""
_POLL_SECONDS = 0.05
_REAP_SECONDS = 0.001
_CHUNK_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended."""

    code: int
    """Its exit code; negative: the signal that ended it."""
    stdout: bytes
    stderr: bytes
    cut: bool
    """One of the outputs was longer than the bound; its beginning is kept."""


async def run_program(
    argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], limit: timedelta, most_bytes: int
) -> Finished:
    """Run the program without input and return once it and all its descendants are gone.

    Args:
        argv: Program and arguments; no shell.
        cwd: Its folder.
        env: Its whole environment.
        limit: After which it is ended.
        most_bytes: Kept of each output; what is longer is read and dropped.

    Raises:
        TimeoutError: it took longer than `limit`.
        OSError, ValueError: it cannot be started.
    """
    async with Child(argv, cwd=cwd, env=env) as child:
        outputs = [_Collected(most_bytes), _Collected(most_bytes)]
        readers = [child.read(pipe, into.add) for pipe, into in zip(child.pipes, outputs, strict=True)]
        async with asyncio.timeout(limit.total_seconds()):
            await child.exit()
        await asyncio.wait(readers, timeout=_DRAIN.total_seconds())
    out, err = outputs
    return Finished(child.code, bytes(out.kept), bytes(err.kept), out.cut or err.cut)


class Child:
    """One program and its descendants; leaving the context ends what is left of them."""

    def __init__(
        self, argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], takes_input: bool = False
    ) -> None:
        """Start the program, as the leader of its own session.

        Raises:
            OSError, ValueError: it cannot be started.
        """
        scope = f"program-{os.getpid()}-{uuid.uuid4().hex}"
        self._sign = f"{_SCOPE_VARIABLE}={scope}\0".encode()
        self._popen = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**env, _SCOPE_VARIABLE: scope},
            stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        self._readers: list[asyncio.Task[None]] = []

    @property
    def pipes(self) -> list[IO[bytes]]:
        """Standard output and standard error."""
        return [pipe for pipe in (self._popen.stdout, self._popen.stderr) if pipe is not None]

    @property
    def code(self) -> int:
        """What it returned, once the context was left; negative: the signal that ended it."""
        code = self._popen.returncode
        return -int(signal.SIGKILL) if code is None else code

    def write(self, data: bytes) -> None:
        """Write to standard input what surely fits its pipe, 4 KiB; lost when the program has closed it."""
        if self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.write(data)

    def read(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> asyncio.Task[None]:
        """Hand each piece that comes from the pipe to `take`, from now on; the task ends with the pipe."""
        task = asyncio.create_task(_pump(pipe.fileno(), take), name=f"output of {self._popen.pid}")
        self._readers.append(task)
        return task

    async def exit(self) -> None:
        """Wait until the program itself has exited; it stays a zombie until the context is left."""
        if sys.platform == "linux":
            descriptor = os.pidfd_open(self._popen.pid)
            try:
                await _readable(descriptor)
            finally:
                os.close(descriptor)
        else:
            while self._popen.poll() is None:  # noqa: ASYNC110 - there is no event to wait for
                await asyncio.sleep(_POLL_SECONDS)

    async def __aenter__(self) -> Self:
        """Begin the context."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End every process, close every pipe, whatever else is cancelled meanwhile."""
        await _to_its_end(self._end())

    async def _end(self) -> None:
        """End the group before the leader is reaped: until then nobody else can be given its number."""
        if not await self._gone(signal.SIGTERM, _GRACE):
            await self._gone(signal.SIGKILL, _GRACE)
        await self._reap()
        for task in self._readers:
            task.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        for pipe in (self._popen.stdin, *self.pipes):
            if pipe is not None:
                pipe.close()

    async def _reap(self) -> None:
        """Take the exit code: a leader may be a zombie to /proc a moment before its last thread is gone."""
        deadline = time.monotonic() + _GRACE.total_seconds()
        while self._popen.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - as in `exit`
            await asyncio.sleep(_REAP_SECONDS)

    async def _gone(self, number: signal.Signals, limit: timedelta) -> bool:
        """Signal whatever runs, newcomers too, until nothing does; False when the limit passed."""
        deadline = time.monotonic() + limit.total_seconds()
        told: set[int] = set()
        pause = 0.001
        while running := self._running():
            if time.monotonic() >= deadline:
                return False
            for pid in running - told:
                self._signal(pid, number)
            told |= running
            await asyncio.sleep(pause)
            pause = min(2 * pause, _POLL_SECONDS)
        return True

    def _running(self) -> set[int]:
        """Return the numbers of the processes that run; without /proc, only the leader's for the group."""
        try:
            numbers = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]
        except OSError:
            return set() if self._popen.poll() is not None else {self._popen.pid}
        return {pid for pid in numbers if pid != os.getpid() and self._is_ours(pid)}

    def _is_ours(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == self._popen.pid:
                return not _is_zombie(pid)
            return self._sign in _read(f"/proc/{pid}/environ")
        return False

    def _signal(self, pid: int, number: signal.Signals) -> None:
        """Signal the whole group by its leader, and what left it by a descriptor that keeps its number."""
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == self._popen.pid:
                os.killpg(self._popen.pid, number)
                return
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                descriptor = os.pidfd_open(pid)
                try:
                    if self._is_ours(pid):
                        signal.pidfd_send_signal(descriptor, number)
                finally:
                    os.close(descriptor)


class _Collected:
    """The beginning of an output."""

    def __init__(self, most_bytes: int) -> None:
        self.kept = bytearray()
        self.cut = False
        self._most_bytes = most_bytes

    def add(self, piece: bytes) -> None:
        room = self._most_bytes - len(self.kept)
        self.kept += piece[:room]
        self.cut = self.cut or len(piece) > room


async def _pump(descriptor: int, take: Callable[[bytes], None]) -> None:
    """Read to the end. A transport would close the descriptor later than we do, when it may be another's."""
    os.set_blocking(descriptor, False)
    while True:
        try:
            piece = os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            await _readable(descriptor)
            continue
        if not piece:
            return
        take(piece)
        await asyncio.sleep(0)


def _is_zombie(pid: int) -> bool:
    stat = _read(f"/proc/{pid}/stat")
    return stat[stat.rindex(b")") + 2 :][:1] in {b"Z", b"X"}


async def _readable(descriptor: int) -> None:
    """Wait until the descriptor can be read without blocking."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, event.set)
    try:
        await event.wait()
    finally:
        loop.remove_reader(descriptor)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the cost of a Path
        return file.readall()


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Await the work to its end, even if this task is cancelled meanwhile; that is raised afterwards."""
    task = asyncio.create_task(work, name="end program")
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    task.result()
