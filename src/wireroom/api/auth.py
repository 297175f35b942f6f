"""Who may call: a page session, a bearer token, or the older services' secret headers.

Browsers are held off by their session's SameSite cookie and by an Origin check on everything that changes
something; programs send the installation's secret, unless a setting opens a route to their network. Open to
all are only health, readiness, metrics, the description of the API, login, and the page's files without
content.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import Connection
from starlette.requests import HTTPConnection
from starlette.responses import Response

from wireroom.api.access_rules import PageRole
from wireroom.api.access_sessions import (
    SEEN_EVERY,
    SESSION_LIFETIME,
    KnownSession,
    NewSession,
    known_session,
    note_seen,
    store_session,
    token_digest,
)
from wireroom.api.cors import origin_of
from wireroom.api.hosts import came_by_tls
from wireroom.api.open_access import is_open_call
from wireroom.api.services import Services
from wireroom.cache.changes import SESSIONS_CHANGED
from wireroom.cache.names import SESSIONS
from wireroom.clock import to_ms
from wireroom.errors import StoreUnavailable
from wireroom.intake.access import same_secret
from wireroom.intake.people import new_code, role_of_code, use_code
from wireroom.settings import Settings

COOKIE = "wireroom_session"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Its name behind TLS: browsers take it from nobody but us, over TLS. Source: RFC 6265bis, 4.1.3.2."""
LOGIN_CODE_LIFETIME = timedelta(hours=12)
SECRET_HEADERS = ("x-webhook-secret", "x-cursor-runner-secret", "x-admin-secret")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OURSELVES = frozenset({None, "none", "same-origin"})
"""`Sec-Fetch-Site` of what our own page asks for, or a person by hand; None: an old browser, a program."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who was let in."""

    name: str
    """An account's name, `page` for a session that a link began, `program`, or `network` for one that needed
    no secret; goes into the audit."""
    role: PageRole = PageRole.OWNER
    session: str | None = None
    """The page session's id; None for who is no page."""


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
    token = session_token(request, settings)
    if token and is_same_site(request, settings):
        session = await _valid_session(services, token)
        if session is not None:
            return Caller(session.account or "page", session.role, session.id)
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
    token = request.cookies.get(SECURE_COOKIE) or request.cookies.get(COOKIE)
    return token_digest(token) if token else None


def session_token(request: HTTPConnection, settings: Settings) -> str | None:
    """Return the token of the one cookie that counts here.

    Behind TLS that is never the plain one, which anybody between the browser and us could have set by
    answering for our name without TLS.
    """
    return request.cookies.get(SECURE_COOKIE if _is_secure(request, settings) else COOKIE)


def give_session(response: Response, token: str, request: HTTPConnection, settings: Settings) -> None:
    """Give the browser its session; Lax, so that a printed link works."""
    is_secure = _is_secure(request, settings)
    response.set_cookie(
        SECURE_COOKIE if is_secure else COOKIE,
        token,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=is_secure,
    )


def take_session(response: Response, request: HTTPConnection, settings: Settings) -> None:
    """Have the browser forget its session."""
    is_secure = _is_secure(request, settings)
    response.delete_cookie(
        SECURE_COOKIE if is_secure else COOKIE, httponly=True, samesite="lax", secure=is_secure
    )


async def new_login_link(services: Services, role: PageRole = PageRole.OWNER) -> str:
    """Return an address that logs a browser in, once."""
    code = secrets.token_hex(16)
    now_ms = to_ms(services.clock.now())
    lifetime_ms = int(LOGIN_CODE_LIFETIME.total_seconds() * 1000)
    await services.db.write(
        lambda conn: new_code(conn, "login", code, now_ms=now_ms, lifetime_ms=lifetime_ms, role=role)
    )
    return f"{services.base_url()}/login?code={code}"


def session_by_code(
    conn: Connection, code: str, *, browser: str, replaces: str | None, now_ms: int
) -> str | None:
    """Trade a login code for a session's token; None when the code is not valid (any more)."""
    if not use_code(conn, "login", code, now_ms):
        return None
    role = PageRole(role_of_code(conn, code) or PageRole.OWNER)
    return store_session(conn, NewSession(None, role, browser, replaces), now_ms)


def is_same_site(request: HTTPConnection, settings: Settings) -> bool:
    """Tell whether a browser's request comes from our own page, or from the one other that settings name.

    Another site may lead here, but neither ask for anything in a session's name nor change anything. Its
    cookie, being Lax, is not sent from other sites; but all ports of a name are one site.
    Source: W3C Fetch Metadata Request Headers; OWASP Cross-Site Request Forgery Prevention Cheat Sheet.
    """
    origin = request.headers.get("origin")
    if origin is None:
        is_safe = request.scope.get("method", "GET") in _SAFE_METHODS
        is_led_here = is_safe and request.headers.get("sec-fetch-mode") == "navigate"
        return is_led_here or request.headers.get("sec-fetch-site") in _OURSELVES
    frontend = origin_of(settings.frontend_url)
    if frontend and origin == frontend:
        return True
    try:
        return urlsplit(origin).netloc == request.headers.get("host")
    except ValueError:
        return False


async def _valid_session(services: Services, token: str) -> KnownSession | None:
    """Return the session unless it is over, and note now and then that it is in use."""
    digest = token_digest(token)

    async def read() -> KnownSession | None:
        return await services.db.read(lambda conn: known_session(conn, digest))

    kept = services.cache.open(SESSIONS, KnownSession)
    session = await kept.get_or_compute(digest, read, tags=(SESSIONS_CHANGED.tag,))
    now_ms = to_ms(services.clock.now())
    if session is None or session.expires_at <= now_ms:
        return None
    if now_ms - session.seen_at > SEEN_EVERY.total_seconds() * 1000:
        # A database that takes no writes is no reason to show nothing.
        with suppress(StoreUnavailable):
            await services.db.write(lambda conn: note_seen(conn, digest, now_ms))
    return session


def _is_secure(request: HTTPConnection, settings: Settings) -> bool:
    return came_by_tls(
        "https" if request.scope["scheme"] in {"https", "wss"} else "http",
        request.headers.get("host", ""),
        settings.telegram_webhook_base_url,
    )
