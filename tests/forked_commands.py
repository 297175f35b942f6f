"""Commands of `wireroom` forked from a process that has imported everything: without 1.5 s of imports each.

    printed = await run(["tasks", "list"], environment)

The code is the product's; only the interpreter's start and the imports are left out, and the working folder
is the tests'. What a start imports is held by tests that start the program itself.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wireroom.testing.eventually import eventually

_MODULES = ("wireroom.cli.main", "wireroom.app.commands", "wireroom.doctor.look", "wireroom.tasks.listing")
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Printed:
    """What a command printed."""

    code: int
    out: str
    err: str


async def run(arguments: Sequence[str], environment: Mapping[str, str]) -> Printed:
    """Return what the command printed; the environment is all of its environment.

    Raises:
        AssertionError: it has not ended in time, or died without an exit code.
    """
    with tempfile.TemporaryDirectory(prefix="wireroom-command-") as name:
        folder = Path(name)
        _nursery().fork({"folder": name, "arguments": list(arguments), "environment": dict(environment)})
        await eventually((folder / "code").exists, f"wireroom {' '.join(arguments)} ends", _SECONDS)
        out, err = ((folder / stream).read_text() for stream in ("out", "err"))
        return Printed(int((folder / "code").read_text()), out, err)


class _Nursery:
    def __init__(self) -> None:
        self._popen = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE)
        atexit.register(self.close)

    def fork(self, wanted: Mapping[str, object]) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._popen.stdin.flush()

    def close(self) -> None:
        """End it; every command has ended before."""
        self._popen.communicate()


@functools.cache
def _nursery() -> _Nursery:
    return _Nursery()


def import_all(more: Sequence[str] = ()) -> None:
    """Import what commands import, and these."""
    for module in (*_MODULES, *more):
        importlib.import_module(module)


def nurse() -> None:
    """Fork a command for each line until the input ends; the kernel reaps them."""
    import_all()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        if os.fork() == 0:
            _grow_up(**json.loads(line))


def _grow_up(folder: str, arguments: list[str], environment: dict[str, str]) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    places = {0: os.devnull, 1: f"{folder}/out", 2: f"{folder}/err"}
    for number, path in places.items():
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    code = obey(arguments)
    # In one step, so that whoever sees it sees all of it.
    Path(folder, "ending").write_text(str(code))
    Path(folder, "ending").rename(Path(folder, "code"))
    os._exit(code)


def obey(arguments: Sequence[str]) -> int:
    """Return the exit code of the command in this process, whatever it raises, once all is printed."""
    sys.argv = ["wireroom", *arguments]
    code = _exit_code()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _exit_code() -> int:
    from wireroom.cli.main import main  # noqa: PLC0415 - in the nursery alone

    try:
        main()
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    nurse()
