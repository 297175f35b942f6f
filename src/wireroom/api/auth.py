"""Who may call: a page session, a bearer token, or the older services' secret headers.

Browsers are held off by their session's SameSite cookie and by an Origin check on everything that changes
something; programs send the installation's secret. Open to all
are only health, readiness, metrics, the description of the API, login, and the page's files without content.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, insert, select
from starlette.requests import HTTPConnection

from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.intake.access import same_secret
from wireroom.intake.people import new_code, use_code
from wireroom.store.schema import page_sessions

COOKIE = "wireroom_session"
SESSION_LIFETIME = timedelta(days=30)
LOGIN_CODE_LIFETIME = timedelta(hours=12)
_SECRET_HEADERS = ("x-webhook-secret", "x-cursor-runner-secret", "x-admin-secret")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in."""

    name: str
    """`page` or `program`; goes into the audit."""


async def identify(request: HTTPConnection, services: Services) -> Caller | None:
    """Return the caller, None when nothing valid was sent."""
    if _has_secret(request, services.api_secret):
        return Caller("program")
    token = request.cookies.get(COOKIE)
    if not token or not _same_site(request):
        return None
    now_ms = to_ms(services.clock.now())
    valid = await services.db.read(lambda conn: _session_is_valid(conn, token, now_ms))
    return Caller("page") if valid else None


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
        conn.execute(
            insert(page_sessions).values(
                digest=_token_digest(token), created_at=now_ms, expires_at=expires_at
            )
        )
        return True

    return token if await services.db.write(unit) else None


async def end_session(services: Services, token: str) -> None:
    """Forget the session; harmless for an unknown one."""
    await services.db.write(
        lambda conn: conn.execute(delete(page_sessions).where(page_sessions.c.digest == _token_digest(token)))
    )


def _session_is_valid(conn: Connection, token: str, now_ms: int) -> bool:
    query = select(page_sessions.c.digest).where(
        page_sessions.c.digest == _token_digest(token), page_sessions.c.expires_at > now_ms
    )
    return conn.execute(query).first() is not None


def _has_secret(request: HTTPConnection, expected: str) -> bool:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and same_secret(bearer.strip(), expected):
        return True
    return any(same_secret(request.headers.get(name), expected) for name in _SECRET_HEADERS)


def _same_site(request: HTTPConnection) -> bool:
    """Tell whether a browser's request comes from our own page, as far as it changes anything."""
    origin = request.headers.get("origin")
    method = request.scope.get("method", "GET")
    if origin is None:
        return method in _SAFE_METHODS or request.headers.get("sec-fetch-site") in {None, "same-origin"}
    return urlsplit(origin).netloc == request.headers.get("host")


def _token_digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
