"""Bring a database to this release's schema, under a lock, all or nothing.

`ensure_schema` looks at the version with one plain statement and only starts Alembic, in a child process,
when there is something to do: its import costs 0.65 s and 53 MB that a running service need not carry.
Run by hand: `python -m wireroom.store.migrate URL`; without the URL it is read from the input.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pysqlite3
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from wireroom.errors import Conflict, StoreUnavailable
from wireroom.store.moving.tables import MOVED, MOVING
from wireroom.store.postgres_errors import no_connection_free
from wireroom.store.sqlite import connect, engine_for
from wireroom.store.sqlite_errors import translate

HEAD = "0010"
"""The version that this release's code expects; a test holds it against the newest migration."""

_ADVISORY_LOCK = 0x77697265  # "wire"
_MIGRATION_SECONDS = 600


def ensure_schema(url: str) -> None:
    """Create or upgrade the schema when it is not this release's.

    Raises:
        Conflict: its data has moved to another database, or is still being copied into it.
        StoreUnavailable: the database cannot be opened or the migration failed; nothing is half done.
    """
    version, standing = _look(url)
    if standing is not None:
        raise Conflict(standing)
    if version == HEAD:
        return
    done = subprocess.run(
        # Not an argument, which everybody on the machine can see: the URL may contain a password.
        [sys.executable, "-m", "wireroom.store.migrate"],
        input=url,
        capture_output=True,
        text=True,
        timeout=_MIGRATION_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise StoreUnavailable(f"The database could not be brought to version {HEAD}: {last}")


def current_version(url: str) -> str | None:
    """Return the version recorded in the database, None for one that Wireroom has never migrated.

    A SQLite file that does not exist has none either, and is not made by this.
    """
    return _look(url)[0]


def _look(url: str) -> tuple[str | None, str | None]:
    """Return the recorded version, and why nobody may work there."""
    path = sqlite_path(url)
    if path is not None and path.parent.is_dir() and not path.exists():
        return None, None
    try:
        engine = engine_for(path) if path else create_engine(with_driver(url), poolclass=NullPool)
        with engine.connect() as conn:
            return _recorded_version(conn), _standing(conn)
    except DBAPIError as error:
        raise _unavailable(error, path) from error


def sqlite_path(url: str) -> Path | None:
    """Return the file of a `sqlite:///…` URL, None for another database."""
    return Path(url.removeprefix("sqlite:///")) if url.startswith("sqlite:///") else None


def with_driver(url: str) -> str:
    """Return a `postgresql://…` URL as SQLAlchemy wants it: with the driver, which is ours to choose."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def upgrade(url: str) -> None:
    """Run the missing migrations in this process, holding the lock."""
    path = sqlite_path(url)
    with _locked(path), _migration_engine(url, path).connect() as conn:
        if path is None:
            conn.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        if _recorded_version(conn) != HEAD:
            _run_alembic(conn)
        conn.commit()


def _run_alembic(conn: Connection) -> None:
    from alembic import command  # noqa: PLC0415 - costs 0.65 s and 53 MB; only a migration pays it
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def _migration_engine(url: str, path: Path | None) -> Engine:
    """Return an engine whose transactions cover DDL too, so that a kill leaves the old schema whole."""
    if path is None:
        return create_engine(with_driver(url), poolclass=NullPool)
    engine = create_engine("sqlite://", module=pysqlite3, creator=lambda: connect(path), poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _locked(path: Path | None) -> Iterator[None]:
    """Hold the file's migration lock, so that two starting processes migrate one after the other."""
    if path is None:
        yield
        return
    with path.with_name(path.name + ".migrating").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _recorded_version(conn: Connection) -> str | None:
    if not conn.dialect.has_table(conn, "wireroom_version"):
        return None
    row: Any = conn.execute(text("SELECT version_num FROM wireroom_version")).first()
    return None if row is None else str(row[0])


def _standing(conn: Connection) -> str | None:
    """Return why a service must not work on the database: its data is, or is not yet, elsewhere."""
    if conn.dialect.has_table(conn, MOVED):
        target, moved_at = conn.execute(text(f"SELECT target, moved_at FROM {MOVED}")).one()
        return (
            f"The data of this database has moved to {target} at {moved_at}. Set WIREROOM_DATABASE_URL to"
            " that; to go on with this one instead, without what came since: `wireroom db reopen`."
        )
    if conn.dialect.has_table(conn, MOVING):
        source = conn.execute(text(f"SELECT source FROM {MOVING}")).scalar()
        return f"The copy from {source} into this database is not finished. Run the same again: it goes on."
    return None


def _unavailable(error: DBAPIError, path: Path | None) -> BaseException:
    if path is not None:
        meaning = translate(error, path)
        if isinstance(meaning, StoreUnavailable):
            return meaning
    return no_connection_free(error.orig) or StoreUnavailable(f"The database cannot be opened: {error.orig}")


if __name__ == "__main__":
    try:
        upgrade(sys.argv[1] if len(sys.argv) > 1 else sys.stdin.readline().strip())
    except Exception as problem:  # noqa: BLE001 - a program's top: say it in one line and fail
        sys.exit(f"{type(problem).__name__}: {str(problem).splitlines()[0]}")
