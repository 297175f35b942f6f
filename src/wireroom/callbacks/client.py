"""Sends one callback over the shared aiohttp session, to an address that the guard has seen.

A name is looked up here, judged, and the connection goes to the judged address itself, with the name only in
the Host header and in TLS. So nothing is looked up twice, no pooled connection to another address is reused,
and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from io import BytesIO
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
import structlog
from yarl import URL

from wireroom.callbacks.guard import Guard, Refused
from wireroom.callbacks.reaction import Answered, Barred, NoAnswer, Reply
from wireroom.callbacks.target import Address, Target
from wireroom.clock import Clock

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Looks a name up; raises OSError when it has no address."""

_CONNECT_SECONDS = 5.0
_MAX_ADDRESSES = 4
_MAX_ANSWER_BYTES = 64 * 1024
_ANSWER_SECONDS = 5.0
_log = structlog.get_logger(__name__)
_NOT_CONNECTED = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


async def resolve_host(host: str, port: int) -> Sequence[Address]:
    """Return what the system's resolver says, each address once, in its order."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


class CallbackClient:
    """The one way out for callbacks; as many at once as the session allows."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        guard: Guard,
        clock: Clock,
        *,
        timeout_seconds: float = 30.0,
        resolve: Resolve = resolve_host,
    ) -> None:
        """Keep the neighbours.

        Args:
            session: Shared and owned by the caller. It must not use a proxy, which would look names up.
            guard: Says which addresses may be called.
            clock: For a Retry-After that is a date.
            timeout_seconds: The longest time of one try, the look-up included.
            resolve: Looks names up.
        """
        self._session = session
        self._guard = guard
        self._clock = clock
        self._timeout_seconds = timeout_seconds
        self._resolve = resolve

    async def send(self, target: Target, body: bytes, headers: Callable[[bool], Mapping[str, str]]) -> Reply:
        """Send it once.

        Args:
            target: Where to.
            body: JSON.
            headers: Gives the headers, told whether the host is trusted; see `guard.Allowed`.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                found = await self._send(target, body, headers)
        except socket.gaierror as error:
            return NoAnswer(f"The name {target.host} cannot be looked up ({error.strerror}).")
        except _NOT_CONNECTED as error:
            return NoAnswer(f"{target.origin} cannot be reached ({type(error).__name__}).")
        except TimeoutError:
            return NoAnswer(f"{target.origin} did not answer within {self._timeout_seconds:g} s.")
        except (aiohttp.ClientError, OSError) as error:
            return NoAnswer(f"{target.origin} broke off ({type(error).__name__}).")
        if isinstance(found, Barred):
            return found
        # The status is known: whatever happens to the rest of the answer, this try has its result.
        await _read_a_little(found)
        return Answered(found.status, self._retry_after(found.headers.get("Retry-After", "")))

    async def _send(
        self, target: Target, body: bytes, headers: Callable[[bool], Mapping[str, str]]
    ) -> aiohttp.ClientResponse | Barred:
        literal = target.address
        addresses = (literal,) if literal else await self._resolve(target.host, target.port)
        verdict = self._guard.judge(target.host, addresses, target.port)
        if isinstance(verdict, Refused):
            return Barred(verdict.reason)
        sent = {**headers(verdict.trusted), "Host": _host_header(target), "Accept-Encoding": "identity"}
        *others, last = addresses[:_MAX_ADDRESSES]
        for address in others:
            # Not connected is not sent: the next address may be tried at once.
            with suppress(*_NOT_CONNECTED):
                return await self._post(target, address, body, sent)
        return await self._post(target, last, body, sent)

    async def _post(
        self, target: Target, address: Address, body: bytes, headers: Mapping[str, str]
    ) -> aiohttp.ClientResponse:
        return await self._session.post(
            _address_url(target, address),
            data=BytesIO(body),  # as bytes, megabytes of it would be written at one go
            headers=headers,
            allow_redirects=False,
            server_hostname=target.host if target.scheme == "https" else None,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
        )

    def _retry_after(self, value: str) -> float | None:
        """Return a Retry-After in seconds; it is a number or a date. Source: RFC 9110, section 10.2.3."""
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, (parsedate_to_datetime(value) - self._clock.now()).total_seconds())
        except (ValueError, TypeError):
            return None


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
