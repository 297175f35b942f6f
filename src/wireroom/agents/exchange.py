"""One HTTP exchange of an agent with its target: bounded in time as a whole, and in what is read.

The way out, with its look at every address, is `callbacks.exchange`; each redirect goes through it again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp

from wireroom.agents.request import MOST_REDIRECTS, CallRequest, Outgoing, outgoing, redirected
from wireroom.callbacks.client import retry_after
from wireroom.callbacks.exchange import FAILURES, GuardedClient
from wireroom.callbacks.reaction import Answered, Barred, NoAnswer, Reply
from wireroom.clock import Clock
from wireroom.errors import BadInput

MAX_ANSWER_BYTES = 64 * 1024
"""What is read of an answer; a longer one is cut off, and what it asks for is not looked at."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What an exchange brought."""

    reply: Reply
    body: bytes = b""
    """The beginning of the answer."""
    is_whole: bool = False
    """The answer had no more than that."""


class AgentClient:
    """Makes agents' HTTP requests."""

    def __init__(self, client: GuardedClient, clock: Clock) -> None:
        """Keep the way out, and the clock for a Retry-After that is a date."""
        self._client = client
        self._clock = clock

    async def exchange(self, request: CallRequest, idempotency_key: str) -> Exchange:
        """Send the request, follow redirects, read the answer."""
        try:
            sent = outgoing(request, idempotency_key)
        except BadInput as error:
            return Exchange(Barred(str(error)))
        seconds = request.timeout_ms / 1000
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(sent)
        except FAILURES as error:
            return Exchange(self._client.no_answer(error, sent.target, seconds))

    async def _follow(self, sent: Outgoing) -> Exchange:
        for _ in range(MOST_REDIRECTS + 1):
            current = sent
            found = await self._client.begin(
                current.method,
                current.target,
                current.body,
                lambda _trusted, headers=current.headers: headers,  # type: ignore[misc]  # mypy: default of a lambda
            )
            if isinstance(found, Barred):
                return Exchange(found)
            try:
                moved = redirected(sent, found.status, found.headers.get("Location"))
                if moved is None:
                    return await self._read(found)
            except BadInput as error:
                return Exchange(Barred(str(error)))
            finally:
                found.release()
            sent = moved
        return Exchange(NoAnswer(f"{sent.target.origin} redirects more than {MOST_REDIRECTS} times."))

    async def _read(self, response: aiohttp.ClientResponse) -> Exchange:
        body, is_whole = await _read_at_most(response, MAX_ANSWER_BYTES)
        wait = retry_after(response.headers.get("Retry-After", ""), self._clock)
        return Exchange(Answered(response.status, wait), body, is_whole)


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    """Return the beginning of the answer, and whether that is all; the rest is not waited for."""
    pieces, size = [], 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            response.close()
            return b"".join(pieces)[:limit], False
    return b"".join(pieces), True
