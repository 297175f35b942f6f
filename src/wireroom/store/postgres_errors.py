"""What PostgreSQL's errors mean to people: which of our errors, and what to do about it. Pure."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from wireroom.errors import StoreBusy, StoreFull, StoreReadOnly, StoreUnavailable

_TOO_MANY = "53300"
_FULL = (
    "too many clients already",
    "remaining connection slots are reserved",
    "too many connections for",
    "no more connections allowed",
)
"""What a server says that has no connection for us: none at all, none but for superusers, none for the role
or the database. The last is PgBouncer's."""

_MEANINGS: dict[str, tuple[type[StoreUnavailable], str]] = {
    "53100": (StoreFull, "PostgreSQL's disk is full; nothing was stored."),
    "25006": (StoreReadOnly, "PostgreSQL refuses to write: it is a replica or being restored."),
    "40001": (StoreBusy, "PostgreSQL let another transaction go first; nothing was stored."),
    "55P03": (StoreBusy, "PostgreSQL let another transaction keep a lock for too long; nothing was stored."),
    "25P03": (StoreUnavailable, "PostgreSQL has ended a transaction that did nothing; nothing was stored."),
    "40P01": (StoreBusy, "PostgreSQL ended a deadlock in favour of another transaction; nothing was stored."),
}


def translate(error: DBAPIError | PoolTimeoutError) -> BaseException:
    """Return our error for one that concerns the server as a whole, else the error itself."""
    if isinstance(error, PoolTimeoutError):
        return StoreBusy("All database connections are in use; raise the pool size or find the leak.")
    if (full := no_connection_free(error.orig)) is not None:
        return full
    state: str | None = getattr(error.orig, "sqlstate", None)
    if state in _MEANINGS:
        kind, message = _MEANINGS[state]
        return kind(message)
    lost = error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    if lost and (state is None or state[:2] in {"57", "08"}):
        return StoreUnavailable("PostgreSQL cannot be reached or is restarting; nothing was stored.")
    return error


def no_connection_free(error: BaseException | None) -> StoreBusy | None:
    """Return our error for a connection that was refused because others have them all, else None.

    By the server's words: of a connection that was never made libpq keeps the message alone, so psycopg knows
    neither the code (53300) nor any other field. A server that does not speak English is not understood.
    Source: PostgreSQL manual, Error Codes, too_many_connections; PgBouncer, max_client_conn.
    """
    if getattr(error, "sqlstate", None) not in {None, _TOO_MANY}:
        return None
    said = str(error).rpartition("FATAL:")[2].strip()
    if not any(words in said for words in _FULL):
        return None
    return StoreBusy(
        f"PostgreSQL has no connection free ({said}); nothing was stored. Raise its max_connections, run"
        " fewer workers, or lower WIREROOM_POOL_SIZE and WIREROOM_POOL_OVERFLOW."
    )
