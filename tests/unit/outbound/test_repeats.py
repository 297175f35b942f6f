"""Which failed calls may be made again at once."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from wireroom.outbound.repeats import may_repeat

GONE = aiohttp.ServerDisconnectedError()
RESET = aiohttp.ClientOSError(104, "Connection reset by peer")
KEY: Any = ConnectionKey(
    "x", 80, is_ssl=False, ssl=True, proxy=None, proxy_auth=None, proxy_headers_hash=None
)
REFUSED = aiohttp.ClientConnectorError(KEY, OSError(111, "Connection refused"))
WITH_KEY = {"Idempotency-Key": "k"}


@pytest.mark.parametrize(
    ("error", "method", "headers", "was_reused", "expected"),
    [
        (GONE, "POST", WITH_KEY, True, True),
        (GONE, "POST", {"idempotency-key": "k"}, True, True),
        (RESET, "POST", WITH_KEY, True, True),
        (GONE, "PUT", {}, True, True),
        (GONE, "POST", {}, True, False),
        (GONE, "PATCH", {}, True, False),
        (GONE, "POST", WITH_KEY, False, False),
        (REFUSED, "POST", WITH_KEY, True, False),
        (TimeoutError(), "POST", WITH_KEY, True, False),
        (aiohttp.ClientPayloadError(), "POST", WITH_KEY, True, False),
    ],
    ids=str,
)
def test_only_a_closed_connection_and_a_safe_request_are_repeated(
    error: BaseException, method: str, headers: dict[str, str], was_reused: bool, expected: bool
) -> None:
    """The server closed a connection that was kept, and the receiver can tell a repetition."""
    assert may_repeat(error, method, headers, was_reused=was_reused) is expected
