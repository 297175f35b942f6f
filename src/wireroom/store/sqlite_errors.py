"""What SQLite's errors mean to people: which of our errors, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import pysqlite3
from sqlalchemy.exc import DBAPIError

from wireroom.errors import StoreBusy, StoreDamaged, StoreFull, StoreReadOnly, StoreUnavailable

_MEANINGS: tuple[tuple[str, type[StoreUnavailable], str], ...] = (
    ("disk is full", StoreFull, "The disk of {path} is full. Free some space; nothing was stored."),
    (
        "disk i/o error",
        StoreFull,
        "The disk of {path} cannot be written (I/O error). Check its space and health.",
    ),
    ("locked", StoreBusy, "Another program holds {path}. It was waited for, in vain; try again."),
    ("busy", StoreBusy, "Another program holds {path}. It was waited for, in vain; try again."),
    (
        "readonly",
        StoreReadOnly,
        "{path} may not be written. Check the owner and mode of the file and its folder.",
    ),
    (
        "unable to open",
        StoreReadOnly,
        "{path} cannot be opened. Check that its folder exists and may be written.",
    ),
    ("not a database", StoreDamaged, "{path} is not a SQLite database. Move it away or restore a backup."),
    (
        "malformed",
        StoreDamaged,
        "{path} is damaged. Restore a backup, or recover it with the sqlite3 program.",
    ),
)


def translate(error: BaseException, path: Path) -> BaseException:
    """Return our error for one of SQLite's that concerns the file as a whole, else the error itself.

    A broken rule of a statement (a constraint, a missing table) stays what it is: that is our bug or the
    unit's business, not the disk's.
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(original, pysqlite3.DatabaseError) or isinstance(original, pysqlite3.IntegrityError):
        return error
    message = str(original).lower()
    for part, kind, text in _MEANINGS:
        if part in message:
            return kind(text.format(path=path))
    return error
