"""Processes of the service: started as a program, or forked from one that has imported everything already."""

from __future__ import annotations

import atexit
import functools
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from wireroom.testing.eventually import eventually

_PROGRAM = Path(__file__).parent / "acceptance" / "serve.py"


class ServiceProcess(Protocol):
    """A process that runs, or ran, the service."""

    pid: int

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        ...

    def exit_code(self) -> int | None:
        """Return how it ended, minus the signal's number for a signal; None if that cannot be known."""
        ...


class Program:
    """The service started as a program, as a person or a process manager would."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, str(_PROGRAM)], env=dict(environment), stdout=output, stderr=output
            )
        self.pid = self._popen.pid

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        return self._popen.poll() is None

    def exit_code(self) -> int | None:
        """Return how it ended."""
        return self._popen.poll()


class Fork:
    """The service forked from the nursery: the same code, without 1.2 s of imports."""

    def __init__(self, environment: Mapping[str, str], log: Path, modules: Sequence[str] = ()) -> None:
        """Fork it.

        Args:
            environment: All of its environment.
            log: What it prints is added to this file.
            modules: What the nursery imports first, beside what every service needs.
        """
        self._code = log.with_name(f"{log.name}.{uuid.uuid4().hex}.code")
        self.pid = _nursery().fork(environment, log, self._code, modules)
        self._descriptor: int | None = os.pidfd_open(self.pid)

    def is_alive(self) -> bool:
        """Return whether it still runs."""
        if self._descriptor is None:
            return False
        try:
            signal.pidfd_send_signal(self._descriptor, 0)
        except ProcessLookupError:
            os.close(self._descriptor)
            self._descriptor = None
            return False
        return True

    def exit_code(self) -> int | None:
        """Return what it noted at its end; None if it was killed."""
        return int(self._code.read_text()) if self._code.exists() else None


class _Nursery:
    def __init__(self) -> None:
        self._popen = subprocess.Popen(
            [sys.executable, str(_PROGRAM), "nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        atexit.register(self.close)

    def fork(self, environment: Mapping[str, str], log: Path, code: Path, modules: Sequence[str]) -> int:
        """Return the pid of a new service; the first one waits for the imports."""
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        wanted = {
            "environment": dict(environment),
            "log": str(log),
            "code": str(code),
            "modules": list(modules),
        }
        self._popen.stdin.write(json.dumps(wanted).encode() + b"\n")
        self._popen.stdin.flush()
        # A caller that was interrupted while it waited has left its answer here.
        answers = (line.rsplit(maxsplit=1) for line in self._popen.stdout)
        return next(int(pid) for path, pid in answers if path == os.fsencode(code))

    def close(self) -> None:
        """End it; services that it forked are ended by those who asked for them."""
        self._popen.communicate()


@functools.cache
def _nursery() -> _Nursery:
    return _Nursery()


async def gone(process: ServiceProcess, timeout_seconds: float) -> int | None:
    """Return the exit code once the process has ended.

    Raises:
        AssertionError: it still runs.
    """
    await eventually(lambda: not process.is_alive(), f"process {process.pid} ends", timeout_seconds)
    return process.exit_code()
