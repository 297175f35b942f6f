"""Looks names up on threads of its own.

A name whose servers are dead holds a thread for as long as the system's resolver waits, and a wait that was
given up holds it still. On the event loop's own threads a few such names would keep everybody else, from the
start of a run to the browser of files, from getting one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from wireroom.callbacks.target import Address

_THREADS = 16
"""As many callbacks are sent at once."""
GetAddresses = Callable[..., Sequence[tuple[Any, ...]]]


class Lookups(AbstractResolver):
    """Threads that look names up; for the guard by `addresses`, for aiohttp's connector by `resolve`."""

    def __init__(self, getaddrinfo: GetAddresses = socket.getaddrinfo, threads: int = _THREADS) -> None:
        """Begin without a thread; they come when needed."""
        self._getaddrinfo = getaddrinfo
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="lookup")

    async def addresses(self, host: str, port: int) -> Sequence[Address]:
        """Return what the system's resolver says, each address once, in its order.

        Raises:
            OSError: the name has no address.
        """
        found = await self._look(host, port, socket.AF_UNSPEC, 0)
        return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses as aiohttp's connector wants them; see `AbstractResolver.resolve`."""
        found = await self._look(host, port, family, socket.AI_ADDRCONFIG)
        return [
            ResolveResult(
                hostname=host,
                host=str(ip_address(address[0])),
                port=address[1],
                family=kind,
                proto=proto,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Look nothing more up; what still waits for an answer is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _look(self, host: str, port: int, family: int, flags: int) -> Sequence[tuple[Any, ...]]:
        look = partial(self._getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM, flags=flags)
        return await asyncio.get_running_loop().run_in_executor(self._pool, look)
