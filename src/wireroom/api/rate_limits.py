"""Holds off callers who ask far more than anybody needs: 429 with `Retry-After`, and the standard headers.

A program that proves itself has the budget of its secret. Everybody else has the budget of the address, and
of the page session besides. An address is the connection's own: a header may say anything, so strangers
behind one proxy share one budget. Who remembers what was spent is in `api.shared_budgets`.
Source: draft-ietf-httpapi-ratelimit-headers-07, RateLimit header fields for HTTP.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from math import ceil

from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wireroom.api.auth import has_secret, session_of
from wireroom.api.budgets import Budget, Verdict
from wireroom.api.errors import error_response
from wireroom.api.shared_budgets import Budgets, Charge
from wireroom.perf.metrics import HTTP_REFUSED

_MINUTE_SECONDS = 60.0
_HOME_BITS = 64
"""Of an IPv6 address: what one customer is given, with more addresses in it than anybody could count."""


class RateLimits:
    """Stands before the routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        api_secret: str,
        per_identity: int,
        per_address: int,
        exempt: frozenset[str],
        budgets: Budgets,
    ) -> None:
        """Serve `app` to those within their budgets.

        Args:
            app: The routes.
            api_secret: What programs prove themselves by.
            per_identity: Requests a minute of a secret or a page session; 0: any number.
            per_address: Requests a minute of an address whose caller has not proved itself; 0: any number.
            exempt: Paths that are never refused.
            budgets: Remembers who has spent how much.
        """
        self._app = app
        self._api_secret = api_secret
        self._identities = Budget(per_identity) if per_identity else None
        self._addresses = Budget(per_address) if per_address else None
        self._exempt = exempt
        self._budgets = budgets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"] in self._exempt:
            await self._app(scope, receive, send)
            return
        verdict = await self._tightest(HTTPConnection(scope))
        if verdict is None:
            await self._app(scope, receive, send)
        elif verdict.may_pass:
            await self._app(scope, receive, _telling(verdict, send))
        else:
            HTTP_REFUSED.inc()
            await _refusal(Request(scope), verdict)(scope, receive, send)

    async def _tightest(self, connection: HTTPConnection) -> Verdict | None:
        """Charge the caller; return what refuses it, else what it has least of."""
        charges = self._charges(connection)
        verdicts = await self._budgets.charge(charges) if charges else ()
        return min(verdicts, key=lambda verdict: (verdict.may_pass, verdict.remaining), default=None)

    def _charges(self, connection: HTTPConnection) -> list[Charge]:
        charges = []
        is_program = has_secret(connection, self._api_secret)
        who = "program" if is_program else session_of(connection)
        if who is not None and self._identities is not None:
            charges.append(Charge("identity", self._identities, who))
        if not is_program and self._addresses is not None:
            charges.append(Charge("address", self._addresses, home_of(connection)))
        return charges


def home_of(connection: HTTPConnection) -> str:
    """Return the connection's address, of IPv6 the network that one customer has."""
    host = connection.client.host if connection.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    plain = address.ipv4_mapped
    return str(plain) if plain else f"{int(address) >> _HOME_BITS:x}::"


def _telling(verdict: Verdict, send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            # A list of its own: routes give the same answer, with the same list, again and again.
            headers = [(name.lower().encode(), value.encode()) for name, value in _headers(verdict).items()]
            message = {**message, "headers": [*message["headers"], *headers]}
        await send(message)

    return told


def _headers(verdict: Verdict) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(verdict.limit),
        "RateLimit-Remaining": str(verdict.remaining),
        "RateLimit-Reset": str(ceil(verdict.reset_seconds)),
        "RateLimit-Policy": f"{verdict.limit};w={_MINUTE_SECONDS:g}",
    }


def _refusal(request: Request, verdict: Verdict) -> ASGIApp:
    wait = max(1, ceil(verdict.retry_seconds))
    message = f"These are more than {verdict.limit} requests a minute. Try again in {wait} s."
    return error_response(
        request, HTTPStatus.TOO_MANY_REQUESTS, message, {**_headers(verdict), "Retry-After": str(wait)}
    )
