"""Who may run the work of a SQLite file: one process, proved by a lock that dies with it.

The lock is the kernel's (flock), so a `kill -9` releases it; the file beside the database only tells people
which process holds it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wireroom.errors import StoreBusy, StoreReadOnly

_DEAD_OWNER_SECONDS = 5.0
_PAUSE_SECONDS = 0.02


class OwnerLock:
    """The right to run a database's jobs; use it as a context manager or call `acquire` and `release`."""

    def __init__(self, database: Path) -> None:
        """Name the lock `<database>.owner`; nothing is opened yet."""
        self.path = database.with_name(database.name + ".owner")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock, not waiting for an owner that lives, and write our pid into it.

        Raises:
            StoreBusy: another process has it; the message names its pid.
            StoreReadOnly: the lock file cannot be created.
        """
        try:
            file = self.path.open("a+")
        except OSError as error:
            raise StoreReadOnly(
                f"{self.path} cannot be opened ({error.strerror}). Check its owner and folder."
            ) from error
        try:
            _lock(file)
        except OSError as error:
            holder = _holder(file)
            file.close()
            raise StoreBusy(
                f"Process {holder} already runs the work of {self.path.with_suffix('')}. Stop it first, or"
                " set WIREROOM_DATA_DIR to a folder of this one's own."
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock up; the file stays, since removing it would race with the next owner."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        """Acquire."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release."""
        self.release()


def _lock(file: IO[str]) -> None:
    """Take the lock; one whose owner is dead is waited for.

    A program that the owner was just starting shares its lock until it has become that other program: a few
    milliseconds on a busy machine.

    Raises:
        OSError: somebody at work has it.
    """
    until = time.monotonic() + _DEAD_OWNER_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until or not _is_dead(_holder(file)):
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _holder(file: IO[str]) -> str:
    file.seek(0)
    return file.read(32).strip() or "(unknown)"


def _is_dead(pid: str) -> bool:
    """Tell whether the process is gone, or only its entry is left. Source: proc(5), stat, field 3."""
    if not pid.isdecimal() or not Path("/proc/self/stat").exists():
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in {"Z", "X"}
