"""Sends one callback, and says what came of it; the way out is `callbacks.exchange`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime

import aiohttp
import structlog

from wireroom.callbacks.exchange import FAILURES, GuardedClient, Resolve
from wireroom.callbacks.guard import Guard
from wireroom.callbacks.reaction import Answered, Barred, Reply
from wireroom.callbacks.target import Target
from wireroom.clock import Clock
from wireroom.outbound.hosts import Hosts

_MAX_ANSWER_BYTES = 64 * 1024
_ANSWER_SECONDS = 5.0
_log = structlog.get_logger(__name__)


class CallbackClient:
    """Sends callbacks."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        guard: Guard,
        clock: Clock,
        resolve: Resolve,
        *,
        timeout_seconds: float = 30.0,
        hosts: Hosts | None = None,
    ) -> None:
        """Keep the neighbours.

        Args:
            session: See `GuardedClient`.
            guard: Says which addresses may be called.
            clock: For a Retry-After that is a date.
            resolve: Looks names up.
            timeout_seconds: The longest time of one try, the look-up included.
            hosts: See `GuardedClient`.
        """
        self._client = GuardedClient(session, guard, resolve, hosts=hosts)
        self._clock = clock
        self._timeout_seconds = timeout_seconds

    async def send(self, target: Target, body: bytes, headers: Callable[[bool], Mapping[str, str]]) -> Reply:
        """Send it once.

        Args:
            target: Where to.
            body: JSON.
            headers: Gives the headers, told whether the host is trusted; see `guard.Allowed`.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                found = await self._client.begin("POST", target, body, headers)
        except FAILURES as error:
            return self._client.no_answer(error, target, self._timeout_seconds)
        if isinstance(found, Barred):
            return found
        # The status is known: whatever happens to the rest of the answer, this try has its result.
        await _read_a_little(found)
        return Answered(found.status, retry_after(found.headers.get("Retry-After", ""), self._clock))


def retry_after(value: str, clock: Clock) -> float | None:
    """Return a Retry-After in seconds; it is a number or a date. Source: RFC 9110, section 10.2.3."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - clock.now()).total_seconds())
    except (ValueError, TypeError):
        return None


async def _read_a_little(response: aiohttp.ClientResponse) -> None:
    """Read the answer so that its connection can be used again; a long or slow one is cut off."""
    size = 0
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            async for piece in response.content.iter_any():
                size += len(piece)
                if size > _MAX_ANSWER_BYTES:
                    break
    except (aiohttp.ClientError, OSError) as error:
        _log.debug("callback_answer_cut_off", reason=type(error).__name__)
    finally:
        response.release()
