"""The pipes of a supervised process as lines to talk over, within bounds; `runs.supervisor` owns the process.

What is said is the back end's matter (`InteractiveBackend.converse`). Here is kept how much of it may wait,
whether anybody still listens, and since when both have been silent.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO

from wireroom.runs.pipes import write_some

MOST_WAITING_BYTES = 1024 * 1024
"""Unread lines beyond which the process has to wait; one chunk and one line may come on top."""

_LINE_BYTES = 64


Talk = Callable[["Dialogue"], Awaitable[None]]
"""A conversation; the process is ended once it returns."""


class Dialogue:
    """One conversation with a process, and its task; see `backends.protocol.Wire`."""

    def __init__(self, stdin: IO[bytes], talk: Talk, name: str) -> None:
        """Begin to talk to this pipe, which stays the caller's to close once the talk is over."""
        self.stop = asyncio.Event()
        self.last_sent: float | None = None
        """When the process last took something, monotonic seconds."""
        self._stdin = stdin
        self._sending = asyncio.Lock()
        self._deaf = False
        self._lines: deque[str] = deque()
        self._waiting = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._over = False
        self._people = 0
        os.set_blocking(stdin.fileno(), False)
        self.task = asyncio.create_task(_run(talk, self), name=name)
        """Done when everything is said; raises what the talk raised."""
        self.task.add_done_callback(lambda _: self._room.set())

    @property
    def waits_for_person(self) -> bool:
        """True while silence is nobody's fault."""
        return self._people > 0

    @contextmanager
    def waiting_for_person(self) -> Iterator[None]:
        """Let silence not count in the body; afterwards it counts from its end."""
        self._people += 1
        try:
            yield
        finally:
            self._people -= 1
            self.last_sent = time.monotonic()

    async def send(self, line: str) -> None:
        """Write one line; see `Wire.send`."""
        view = memoryview(line.encode(errors="replace") + b"\n")
        async with self._sending:
            try:
                while view and not self._deaf:
                    view = view[await write_some(self._stdin.fileno(), view) :]
                    self.last_sent = time.monotonic()
            except BrokenPipeError:
                self._deaf = True
            except asyncio.CancelledError:
                # Half a line may be out: another one after it would be read as its end.
                self._deaf = True
                raise

    async def receive(self) -> str | None:
        """Return the next line; see `Wire.receive`."""
        while not self._lines:
            if self._over:
                return None
            self._news.clear()
            await self._news.wait()
        line = self._lines.popleft()
        self._waiting -= len(line) + _LINE_BYTES
        self._room.set()
        return line

    def put(self, line: str) -> None:
        """Take a line that the process wrote; nobody reads it once the talk is over."""
        if self.task.done():
            return
        self._lines.append(line)
        self._waiting += len(line) + _LINE_BYTES
        self._news.set()

    async def has_room(self) -> None:
        """Wait until enough of what was put has been received."""
        while self._waiting > MOST_WAITING_BYTES and not self.task.done():
            self._room.clear()
            await self._room.wait()

    def end_of_output(self) -> None:
        """Note that no more lines will be put."""
        self._over = True
        self._news.set()

    async def ask_to_stop(self, limit: timedelta) -> None:
        """Let the talk end politely, within the limit."""
        self.stop.set()
        await asyncio.wait({self.task}, timeout=limit.total_seconds())

    async def end(self, limit: timedelta) -> None:
        """Let the talk end after the last line, within the limit; cancel it then."""
        self.end_of_output()
        await asyncio.wait({self.task}, timeout=limit.total_seconds())
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def _run(talk: Talk, dialogue: Dialogue) -> None:
    await talk(dialogue)
