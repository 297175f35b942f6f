"""Units of work on sessions of the page: begin, know again, list, end."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update

from wireroom.api.access_rules import PageRole
from wireroom.cache.changes import SESSIONS_CHANGED
from wireroom.store.database import after_commit
from wireroom.store.schema import page_sessions
from wireroom.store.statement import Statement

SESSION_LIFETIME = timedelta(days=30)
SEEN_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was last used: noting it is a write."""
MOST_LISTED = 500
_ID_BYTES = 8

_KNOWN = Statement("SELECT id, account, role, seen_at, expires_at FROM page_sessions WHERE digest = :digest")
"""Whose a session is and how long it lasts; asked for with every request of the page."""

_SEEN = Statement(
    "UPDATE page_sessions SET seen_at = :now_ms WHERE digest = :digest AND seen_at < :before_ms"
)
"""Note that a session is in use, once where several requests come at the same moment."""


class KnownSession(msgspec.Struct, frozen=True):
    """A session as requests know it."""

    id: str
    account: str | None
    """None: begun by a login link."""
    role: PageRole
    seen_at: int
    expires_at: int


@dataclass(frozen=True, slots=True)
class NewSession:
    """Who begins a session, and where."""

    account: str | None
    role: PageRole
    browser: str
    replaces: str | None = None
    """The token that the browser sent: its session ends, so that nobody goes on using it."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as people see it."""

    id: str
    account: str | None
    role: PageRole
    browser: str
    created_at: int
    seen_at: int
    expires_at: int


def token_digest(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def known_session(conn: Connection, digest: str) -> KnownSession | None:
    """Return the session of a token; it may be over."""
    row = _KNOWN.row(conn, digest=digest)
    if row is None:
        return None
    return KnownSession(row[0], row[1], PageRole(row[2]), row[3], row[4])


def note_seen(conn: Connection, digest: str, now_ms: int) -> None:
    """Note that the session is in use."""
    before_ms = now_ms - int(SEEN_EVERY.total_seconds() * 1000)
    if _SEEN.run(conn, digest=digest, now_ms=now_ms, before_ms=before_ms):
        after_commit(conn, SESSIONS_CHANGED)


def store_session(conn: Connection, wanted: NewSession, now_ms: int) -> str:
    """Begin a session and return its token, always a fresh one; forget the sessions that are over."""
    token = secrets.token_urlsafe(32)
    conn.execute(delete(page_sessions).where(page_sessions.c.expires_at < now_ms))
    if wanted.replaces is not None:
        conn.execute(delete(page_sessions).where(page_sessions.c.digest == token_digest(wanted.replaces)))
    conn.execute(
        insert(page_sessions).values(
            digest=token_digest(token),
            id=secrets.token_hex(_ID_BYTES),
            account=wanted.account,
            role=wanted.role.value,
            browser=wanted.browser,
            created_at=now_ms,
            seen_at=now_ms,
            expires_at=now_ms + int(SESSION_LIFETIME.total_seconds() * 1000),
        )
    )
    after_commit(conn, SESSIONS_CHANGED)
    return token


def list_sessions(conn: Connection, now_ms: int) -> Sequence[SessionView]:
    """Return the sessions that are not over, the most recently used first."""
    table = page_sessions.c
    query = (
        select(
            table.id,
            table.account,
            table.role,
            table.browser,
            table.created_at,
            table.seen_at,
            table.expires_at,
        )
        .where(table.expires_at > now_ms)
        .order_by(table.seen_at.desc(), table.id)
        .limit(MOST_LISTED)
    )
    return [SessionView(row.id, row.account, PageRole(row.role), *row[3:]) for row in conn.execute(query)]


def end_session_of_token(conn: Connection, token: str) -> None:
    """End the session of a browser; harmless for one that is not known."""
    conn.execute(delete(page_sessions).where(page_sessions.c.digest == token_digest(token)))
    after_commit(conn, SESSIONS_CHANGED)


def end_session_named(conn: Connection, session_id: str) -> bool:
    """End one session; False when there is none of this id."""
    done = conn.execute(delete(page_sessions).where(page_sessions.c.id == session_id))
    after_commit(conn, SESSIONS_CHANGED)
    return done.rowcount == 1


def end_sessions_of(conn: Connection, account: str | None, *, but: str | None = None) -> int:
    """End every session of an account, of the login links for None, and return how many; `but` is an id."""
    whose = page_sessions.c.account.is_(None) if account is None else page_sessions.c.account == account
    others = whose if but is None else and_(whose, page_sessions.c.id != but)
    done = conn.execute(delete(page_sessions).where(others))
    after_commit(conn, SESSIONS_CHANGED)
    return done.rowcount


def end_every_session(conn: Connection) -> int:
    """End every session of everybody, and return how many."""
    done = conn.execute(delete(page_sessions))
    after_commit(conn, SESSIONS_CHANGED)
    return done.rowcount


def change_role_of_session(conn: Connection, session_id: str, role: PageRole) -> None:
    """Have a session go on with another role."""
    conn.execute(update(page_sessions).where(page_sessions.c.id == session_id).values(role=role.value))
    after_commit(conn, SESSIONS_CHANGED)
