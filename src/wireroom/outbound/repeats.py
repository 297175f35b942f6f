"""Which failed calls may be made again at once. Pure.

A server closes an idle connection at the moment we send on it: nothing is wrong, and nobody knows whether the
request was read. It is sent once more only if that cannot do harm. Any other failure is for whoever asked:
the job engine tries again, in its own time.
Source: RFC 9110, section 9.2.2 Idempotent Methods; RFC 9112, section 9.3.1 Retrying Requests.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

_KEY = "idempotency-key"
_SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
_CUT_OFF = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
_NEVER_THERE = (aiohttp.ClientConnectorError,)


def may_repeat(error: BaseException, method: str, headers: Mapping[str, str], *, was_reused: bool) -> bool:
    """Tell whether to send the request again at once, for the first and only time.

    Args:
        error: What came instead of an answer.
        method: The HTTP method.
        headers: The request's.
        was_reused: The connection had been used before, so the server may just have been closing it.
    """
    if not was_reused or not isinstance(error, _CUT_OFF) or isinstance(error, _NEVER_THERE):
        return False
    return method in _SAFE_TO_REPEAT or any(name.lower() == _KEY for name in headers)
