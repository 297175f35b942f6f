"""Commands of `wireroom` that live while somebody talks to them, forked like those of `forked_commands`.

    subprocess.Popen([*door(), "mcp"], stdin=PIPE, stdout=PIPE, env=environment)

What is started is a door: it hands its streams, its environment and its arguments to a process that has
imported everything, which forks. It passes on SIGTERM and SIGINT, and ends as the fork ended; a fork whose
door was killed is killed as well.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

_STREAMS = (0, 1, 2)
_MOST_BYTES = 65_536
_MODULES = ("mcp.server.stdio", "uvloop", "wireroom.app.mcp", "wireroom.app.service", "wireroom.mcp.server")


def door() -> list[str]:
    """Return how the door is started; without Python's own site, which is most of its start."""
    return [sys.executable, "-I", "-S", __file__, _nursery()]


@functools.cache
def _nursery() -> str:
    """Start the process that forks, and return its address; whoever comes before it is ready waits."""
    folder = tempfile.TemporaryDirectory(prefix="wireroom-stdio-")
    address = str(Path(folder.name) / "door")
    with _socket() as listener:
        listener.bind(address)
        listener.listen()
        number = listener.fileno()
        popen = subprocess.Popen([sys.executable, __file__, str(number)], pass_fds=[number])

    def close() -> None:
        popen.kill()
        popen.wait()
        folder.cleanup()

    atexit.register(close)
    return address


def _socket() -> socket.socket:
    """Return one that keeps messages apart."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _open_door(address: str, arguments: list[str]) -> int:
    wanted = {"arguments": arguments, "environment": dict(os.environ), "folder": str(Path.cwd())}
    with _socket() as line:
        line.connect(address)
        socket.send_fds(line, [json.dumps(wanted).encode()], _STREAMS)
        # Held here they would not end where the fork ends them.
        for stream in _STREAMS:
            os.close(stream)
        pid = int(line.recv(16))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: os.kill(pid, number))
        return int(line.recv(16) or b"1")


def _nurse(listener: socket.socket) -> None:
    """Fork a command for each door; the kernel reaps them."""
    from forked_commands import import_all  # noqa: PLC0415 - the door does without site and tests

    import_all(_MODULES)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        line, _ = listener.accept()
        with line:
            wanted, streams, _, _ = socket.recv_fds(line, _MOST_BYTES, len(_STREAMS))
            if os.fork() == 0:
                listener.close()
                _grow_up(line, streams, **json.loads(wanted))
        for stream in streams:
            os.close(stream)


def _grow_up(
    line: socket.socket, streams: list[int], arguments: list[str], environment: dict[str, str], folder: str
) -> None:
    from forked_commands import obey  # noqa: PLC0415 - as above

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in zip(_STREAMS, streams, strict=True):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    line.send(b"%d" % os.getpid())
    threading.Thread(target=_die_with, args=(line,), daemon=True).start()
    code = obey(arguments)
    line.send(b"%d" % code)
    os._exit(code)


def _die_with(line: socket.socket) -> None:
    line.recv(1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [number]:
            _nurse(socket.socket(fileno=int(number)))
        case [address, *rest]:
            sys.exit(_open_door(address, rest))
