"""Who may run the work of a SQLite file: one process, proved by a lock that dies with it.

The lock is the kernel's (flock), so a `kill -9` releases it; the file beside the database only tells people
which process holds it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wireroom.errors import StoreBusy, StoreReadOnly


class OwnerLock:
    """The right to run a database's jobs; use it as a context manager or call `acquire` and `release`."""

    def __init__(self, database: Path) -> None:
        """Name the lock `<database>.owner`; nothing is opened yet."""
        self.path = database.with_name(database.name + ".owner")
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock without waiting, and write our pid into it.

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
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._holder(file)
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

    @staticmethod
    def _holder(file: IO[str]) -> str:
        file.seek(0)
        return file.read(32).strip() or "(unknown)"
