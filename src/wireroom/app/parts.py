"""What runs side by side in a service, each part a named task, and how it is brought to an end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import structlog

from wireroom.app.web_server import WebServer
from wireroom.jobs.port import Worker

_log = structlog.get_logger(__name__)


class Parts:
    """The tasks of one service, ended in reverse order when its stack is closed."""

    def __init__(self, stack: AsyncExitStack) -> None:
        """End what is begun on the way out of `stack`."""
        self._stack = stack
        self.stopped = asyncio.Event()
        """Set when a part has ended that must not."""

    def begin(self, parts: Mapping[str, Coroutine[Any, Any, None]]) -> Sequence[asyncio.Task[None]]:
        """Begin endless parts, which are cancelled on the way out."""
        tasks = [self._watched(part, name) for name, part in parts.items()]
        self._stack.push_async_callback(_cancel_all, tasks)
        return tasks

    def begin_once(self, part: Coroutine[Any, Any, None], name: str) -> None:
        """Begin a part that may end by itself."""
        self._stack.push_async_callback(_cancel_all, [asyncio.create_task(part, name=name)])

    def serve(self, server: WebServer) -> None:
        """Begin to serve; on the way out the requests under way are finished."""
        serving = self._watched(server.run(), "http")
        self._stack.push_async_callback(_stop_server, server, serving)

    def _watched(self, part: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(part, name=name)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that runs for ever has ended: say why, and let the service be stopped as a whole."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("part_failed", part=task.get_name(), exc_info=error)
        self.stopped.set()


async def drain(worker: Worker, grace: timedelta, hurry: asyncio.Event) -> None:
    """Let agents end for as long as is set, or until somebody is in a hurry."""
    ending = asyncio.create_task(worker.drain(grace))
    hurried = asyncio.create_task(hurry.wait())
    await asyncio.wait((ending, hurried), return_when=asyncio.FIRST_COMPLETED)
    await _cancel_all([hurried])
    if ending.done():
        await ending
        return
    await _cancel_all([ending])
    await worker.drain(timedelta())


async def _cancel_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel("the service stops")
    await asyncio.gather(*tasks, return_exceptions=True)


async def _stop_server(server: WebServer, serving: asyncio.Task[None]) -> None:
    server.stop()
    await asyncio.gather(serving, return_exceptions=True)
