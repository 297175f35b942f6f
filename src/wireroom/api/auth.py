"""Who may call: a page session, a bearer token, or the older services' secret headers.

Browsers are held off by their session's SameSite cookie and by an Origin check on everything that changes
something; programs send the installation's secret, unless a setting opens a route to their network. Open to
all are only health, readiness, metrics, the description of the API, login, and the page's files without
content.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, insert
from starlette.requests import HTTPConnection

from wireroom.api.cors import origin_of
from wireroom.api.open_access import is_open_call
from wireroom.api.services import Services
from wireroom.cache.changes import SESSIONS_CHANGED
from wireroom.cache.names import SESSIONS
from wireroom.clock import to_ms
from wireroom.intake.access import same_secret
from wireroom.intake.people import new_code, use_code
from wireroom.store.database import after_commit
from wireroom.store.schema import page_sessions
from wireroom.store.statement import Statement

COOKIE = "wireroom_session"
SESSION_LIFETIME = timedelta(days=30)
LOGIN_CODE_LIFETIME = timedelta(hours=12)
SECRET_HEADERS = ("x-webhook-secret", "x-cursor-runner-secret", "x-admin-secret")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

_EXPIRES_AT = Statement("SELECT expires_at FROM page_sessions WHERE digest = :digest")
"""How long a session lasts; asked for with every request of the page."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in."""

    name: str
    """`page`, `program`, or `network` for one that needed no secret; goes into the audit."""


async def identify(
    request: HTTPConnection, services: Services, *, secret_in_query: bool = False
) -> Caller | None:
    """Return the caller, None when nothing valid was sent and the call is not open to all of its network.

    Args:
        request: The call, or the opening of a WebSocket.
        services: The service's parts.
        secret_in_query: `?secret=` counts too: only where callers of the older services send it.
    """
    given = request.query_params.get("secret") if secret_in_query else None
    if has_secret(request, services.api_secret) or same_secret(given, services.api_secret):
        return Caller("program")
    settings = services.settings
    token = request.cookies.get(COOKIE)
    if token and _same_site(request, origin_of(settings.frontend_url)):
        now_ms = to_ms(services.clock.now())
        if await _session_lasts_until(services, token) > now_ms:
            return Caller("page")
    is_open = is_open_call(
        request.scope["path"],
        request.client.host if request.client else None,
        request.headers,
        routes=settings.open_routes,
        networks=settings.open_networks,
    )
    return Caller("network") if is_open else None


def has_secret(request: HTTPConnection, expected: str) -> bool:
    """Tell whether the installation's secret was sent in a header."""
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same_secret(bearer.strip(), expected):
        return True
    return any(same_secret(request.headers.get(name), expected) for name in SECRET_HEADERS)


def session_of(request: HTTPConnection) -> str | None:
    """Return what tells one page session from another, None without one; it may not be valid."""
    token = request.cookies.get(COOKIE)
    return _token_digest(token) if token else None


async def new_login_link(services: Services) -> str:
    """Return an address that logs a browser in, once."""
    code = secrets.token_hex(16)
    now_ms = to_ms(services.clock.now())
    lifetime_ms = int(LOGIN_CODE_LIFETIME.total_seconds() * 1000)
    await services.db.write(
        lambda conn: new_code(conn, "login", code, now_ms=now_ms, lifetime_ms=lifetime_ms)
    )
    return f"{services.base_url()}/login?code={code}"


async def begin_session(services: Services, code: str) -> str | None:
    """Trade a login code for a session token; None when the code is not valid (any more)."""
    token = secrets.token_urlsafe(32)
    now_ms = to_ms(services.clock.now())

    def unit(conn: Connection) -> bool:
        if not use_code(conn, "login", code, now_ms):
            return False
        expires_at = now_ms + int(SESSION_LIFETIME.total_seconds() * 1000)
        conn.execute(delete(page_sessions).where(page_sessions.c.expires_at < now_ms))
        after_commit(conn, SESSIONS_CHANGED)
        conn.execute(
            insert(page_sessions).values(
                digest=_token_digest(token), created_at=now_ms, expires_at=expires_at
            )
        )
        return True

    return token if await services.db.write(unit) else None


async def end_session(services: Services, token: str) -> None:
    """Forget the session; harmless for an unknown one."""

    def unit(conn: Connection) -> None:
        conn.execute(delete(page_sessions).where(page_sessions.c.digest == _token_digest(token)))
        after_commit(conn, SESSIONS_CHANGED)

    await services.db.write(unit)


async def _session_lasts_until(services: Services, token: str) -> int:
    """Return the end of the session, ms; 0 when there is none."""
    digest = _token_digest(token)

    async def read() -> int | None:
        return await services.db.read(lambda conn: _EXPIRES_AT.value(conn, digest=digest))

    kept = services.cache.open(SESSIONS, int)
    return await kept.get_or_compute(digest, read, tags=(SESSIONS_CHANGED.tag,)) or 0


def _same_site(request: HTTPConnection, frontend: str) -> bool:
    """Tell whether a browser's request comes from our own page or `frontend`, if it changes anything."""
    origin = request.headers.get("origin")
    method = request.scope.get("method", "GET")
    if origin is None:
        return method in _SAFE_METHODS or request.headers.get("sec-fetch-site") in {None, "same-origin"}
    if frontend and origin == frontend:
        return True
    return urlsplit(origin).netloc == request.headers.get("host")


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
