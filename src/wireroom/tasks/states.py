"""The states of a task, and its times, as every program that shares the table writes them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum

from wireroom.clock import from_ms, to_ms


class TaskStatus(IntEnum):
    """The numbers in the table's `status`; another program may have stored any other value."""

    READY = 0
    COMPLETE = 1
    ARCHIVED = 2
    BACKLOGGED = 3
    IN_PROGRESS = 4

    @property
    def label(self) -> str:
        """The word for it, such as `in_progress`."""
        return self.name.lower()


LABELS = {status.label: status for status in TaskStatus}
_TIMES_MS = range(to_ms(datetime(9999, 1, 1, tzinfo=UTC)))
"""Times that anything could be done at; beyond them, arithmetic fails."""
FINISHED = frozenset({TaskStatus.COMPLETE, TaskStatus.ARCHIVED})
"""What lets those go on that wait for the task."""


def label_of(status: object) -> str:
    """Return the word for a stored status; `unknown` for a value that has none."""
    known = {int(one): one.label for one in TaskStatus}
    return known.get(status, "unknown") if isinstance(status, int) else "unknown"


def stamp(now_ms: int) -> str:
    """Return a time as we write it into the table: `2026-11-21T23:54:00.123Z`."""
    return from_ms(now_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_stamp(stored: object) -> int | None:
    """Return a time of the table in milliseconds, None for none and for what is no time of these ages.

    Both `2026-11-21T23:54:00.123Z` and SQLite's own `2026-11-21 23:54:00` are met there; without a zone it is
    UTC.
    """
    if not isinstance(stored, str):
        return None
    try:
        moment = datetime.fromisoformat(stored.strip())
    except ValueError:
        return None
    found = to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return found if found in _TIMES_MS else None


def shown_stamp(stored: object) -> str | None:
    """Return a time of the table in the one form that programs are sent; what is no time goes as it is."""
    moment = read_stamp(stored)
    if moment is not None:
        return stamp(moment)
    return None if stored is None else str(stored)
