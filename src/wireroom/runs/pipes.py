"""The pipes of a supervised process, read and written without blocking and in bounded pieces.

Not `asyncio.subprocess`: its `wait` follows the end of the pipes in some versions, so that a grandchild that
keeps stdout would hold the run, and it reaps the leader before its group can be signalled.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import IO

from wireroom.runs.output import CappedOutput, LineSplitter

CHUNK_BYTES = 64 * 1024
"""Read at once: what a pipe holds. A process that writes faster waits in the kernel, not in our memory."""

LINES_PER_TURN = 64
"""Lines handed on before other tasks of the loop have their turn."""


async def readable(descriptor: int) -> None:
    """Wait until a read would not block."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(descriptor, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)


async def writable(descriptor: int) -> None:
    """Wait until a write would not block."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(descriptor, _set, ready)
    try:
        await ready
    finally:
        loop.remove_writer(descriptor)


async def pump(
    pipe: IO[bytes],
    output: CappedOutput,
    lines: LineSplitter,
    on_line: Callable[[str], None],
    on_output: Callable[[], None],
    *,
    has_room: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Read to the end of the pipe or until cancelled; in either case hand on an unfinished last line.

    `has_room` is awaited between reads: a reader of the lines that falls behind holds up the process.
    """
    os.set_blocking(pipe.fileno(), False)
    try:
        while data := await _read(pipe.fileno()):
            on_output()
            output.add(data)
            for number, line in enumerate(lines.feed(data), start=1):
                on_line(line)
                if number % LINES_PER_TURN == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(0)
            if has_room is not None:
                await has_room()
    finally:
        for line in lines.end():
            on_line(line)


async def feed(pipe: IO[bytes], data: bytes) -> None:
    """Write everything and close the pipe; a process that does not care to read is no error."""
    os.set_blocking(pipe.fileno(), False)
    view = memoryview(data)
    try:
        with suppress(BrokenPipeError):
            while view:
                view = view[await write_some(pipe.fileno(), view) :]
    finally:
        pipe.close()


async def _read(descriptor: int) -> bytes:
    while True:
        with suppress(BlockingIOError):
            return os.read(descriptor, CHUNK_BYTES)
        await readable(descriptor)


async def write_some(descriptor: int, view: memoryview) -> int:
    """Write what the pipe takes, waiting until it takes something; return how many bytes."""
    while True:
        with suppress(BlockingIOError):
            return os.write(descriptor, view)
        await writable(descriptor)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
