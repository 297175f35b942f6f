"""Tells an agent at work what people say meanwhile, until it is done. Back ends that can be told use it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from wireroom.backends.protocol import Host, Words


class Telling:
    """Hands on words as they come; knows which of them the agent has not heard yet.

    Nothing is on its way between `pause` and `go_on`: an agent that is done then, and has heard everything,
    will hear nothing more.
    """

    def __init__(self, host: Host, send: Callable[[Words], Awaitable[None]]) -> None:
        """Take words from the host and send them."""
        self._host = host
        self._send = send
        self._unheard: dict[str, Words] = {}
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to hand on."""
        self._task = asyncio.create_task(self._hand_on(), name="tell agent")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hand on nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def heard(self, words_id: str) -> None:
        """Note that the agent has taken these words; unknown ones are passed over."""
        if self._unheard.pop(words_id, None) is not None:
            await self._host.heard(words_id)

    async def pause(self) -> bool:
        """Wait until nothing is on its way, and stay so; True when the agent has heard everything."""
        await self._sending.acquire()
        return not self._unheard

    def go_on(self) -> None:
        """End a pause."""
        self._sending.release()

    async def _hand_on(self) -> None:
        while True:
            words = await self._host.words()
            async with self._sending:
                if await self._host.hand(words):
                    self._unheard[words.id] = words
                    await self._send(words)
