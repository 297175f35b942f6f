"""One HTTP request over the shared aiohttp session, to an address that the guard has seen.

A name is looked up here, judged, and the connection goes to the judged address itself, with the name only in
the Host header and in TLS. So nothing is looked up twice, no pooled connection to another address is reused,
and redirects are not followed: whoever wants to follow one begins a new request, which is judged again.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from wireroom.callbacks.guard import Guard, Refused
from wireroom.callbacks.reaction import Barred, Held, NoAnswer
from wireroom.callbacks.target import Address, Target
from wireroom.outbound.hosts import HostHeld, Hosts
from wireroom.outbound.repeats import may_repeat
from wireroom.outbound.trips import Trip
from wireroom.perf.metrics import OUTBOUND_REFUSED

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Looks a name up; raises OSError when it has no address."""

FAILURES = (aiohttp.ClientError, OSError)
"""What `GuardedClient.begin` and reading an answer may raise; its `no_answer` says what it means."""

_CONNECT_SECONDS = 5.0
_MAX_ADDRESSES = 4
_WRITTEN_AT_ONCE = 64 * 1024
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
_NOBODY_THERE = (*_NOT_CONNECTED, aiohttp.ServerDisconnectedError, socket.gaierror)


class GuardedClient:
    """The one way out to addresses that others have named; as many at once as the session allows."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        guard: Guard,
        resolve: Resolve,
        *,
        purpose: str = "callback",
        hosts: Hosts | None = None,
    ) -> None:
        """Keep the neighbours.

        Args:
            session: Shared and owned by the caller. It must not use a proxy, which would look names up.
            guard: Says which addresses may be called.
            resolve: Looks names up; see `lookups`.
            purpose: What the calls are for; see `outbound.trips`.
            hosts: Knows which hosts are not called for a while; None: all of them always are.
        """
        self._session = session
        self._guard = guard
        self._resolve = resolve
        self._purpose = purpose
        self._hosts = hosts

    async def begin(
        self, method: str, target: Target, body: bytes | None, headers: Callable[[bool], Mapping[str, str]]
    ) -> aiohttp.ClientResponse | Barred:
        """Send the request and return its answer once the headers are there; the caller releases it.

        Args:
            method: The HTTP method.
            target: Where to.
            body: What is sent; None for nothing.
            headers: Gives the headers, told whether the host is trusted; see `guard.Allowed`.

        Raises:
            HostHeld: the host is not called for a while.
        """
        if self._hosts is not None:
            self._hosts.admit(target.origin)
        literal = target.address
        addresses = (literal,) if literal else await self._resolve(target.host, target.port)
        verdict = self._guard.judge(target.host, addresses, target.port)
        if isinstance(verdict, Refused):
            return Barred(verdict.reason)
        sent = {**headers(verdict.trusted), "Host": _host_header(target), "Accept-Encoding": "identity"}
        response = await self._send_to_one(addresses, method, target, body, sent)
        if self._hosts is not None:
            self._hosts.answered(target.origin, response.status)
        return response

    def no_answer(self, error: BaseException, target: Target, seconds: float) -> NoAnswer | Held:
        """Note that one of `FAILURES` came of a call, or a time-out, and return what it means."""
        if isinstance(error, HostHeld):
            OUTBOUND_REFUSED.inc()
            return Held(error.seconds, str(error))
        # A host that takes requests is there; how long it may take over one is its caller's matter.
        if self._hosts is not None and isinstance(error, _NOBODY_THERE):
            self._hosts.failed(target.origin)
        return no_answer(error, target, seconds)

    async def _send_to_one(
        self,
        addresses: Sequence[Address],
        method: str,
        target: Target,
        body: bytes | None,
        headers: Mapping[str, str],
    ) -> aiohttp.ClientResponse:
        *others, last = addresses[:_MAX_ADDRESSES]
        for address in others:
            # Not connected is not sent: the next address may be tried at once.
            with suppress(*_NOT_CONNECTED):
                return await self._send(method, target, address, body, headers)
        return await self._send(method, target, last, body, headers)

    async def _send(
        self, method: str, target: Target, address: Address, body: bytes | None, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        def once(trip: Trip) -> Coroutine[Any, Any, aiohttp.ClientResponse]:
            return self._session.request(
                method,
                _address_url(target, address),
                data=_payload(body),
                headers=headers,
                allow_redirects=False,
                server_hostname=target.host if target.scheme == "https" else None,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                trace_request_ctx=trip,
            )

        trip = Trip(self._purpose)
        try:
            return await once(trip)
        except aiohttp.ClientError as error:
            if not may_repeat(error, method, headers, was_reused=trip.was_reused):
                raise
        return await once(Trip(self._purpose))


def no_answer(error: BaseException, target: Target, seconds: float) -> NoAnswer:
    """Return what it means that a request raised one of `FAILURES`, or took longer than so many seconds."""
    match error:
        case socket.gaierror():
            return NoAnswer(f"The name {target.host} cannot be looked up ({error.strerror}).")
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return NoAnswer(f"{target.origin} cannot be reached ({type(error).__name__}).")
        case TimeoutError():
            return NoAnswer(f"{target.origin} did not answer within {seconds:g} s.")
    return NoAnswer(f"{target.origin} broke off ({type(error).__name__}).")


def _payload(body: bytes | None) -> bytes | BytesIO | None:
    """Return what the client sends: megabytes as a file, since bytes would be written at one go."""
    return body if body is None or len(body) <= _WRITTEN_AT_ONCE else BytesIO(body)


def _address_url(target: Target, address: Address) -> URL:
    parts = urlsplit(target.url)
    return URL.build(
        scheme=target.scheme,
        host=str(address),
        port=target.port,
        path=parts.path,
        query_string=parts.query,
        encoded=True,
    )


def _host_header(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    is_usual = (target.scheme, target.port) in {("http", 80), ("https", 443)}
    return host if is_usual else f"{host}:{target.port}"
