"""A schedule that begins at a time, ends at one, or both. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

from wireroom.errors import BadInput

NAMES = frozenset({"start", "end"})
"""The fields of a schedule's object that make it a span."""
_MOMENT = timedelta(milliseconds=1)


class Slots(Protocol):
    """What has times."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots after the moment, oldest first."""
        ...

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots are in (after, until]."""
        ...


S = TypeVar("S", bound=Slots)


@dataclass(frozen=True, slots=True)
class Span(Generic[S]):
    """The slots of a schedule from `start` to `end`, both included."""

    schedule: S
    start: datetime | None = None
    end: datetime | None = None

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots after the moment, oldest first; none behind the end."""
        end = self.end
        found = _to_the_last_year(self.schedule.after(self._from(moment)))
        return found if end is None else takewhile(lambda slot: slot <= end, found)

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots are in (after, until]."""
        begin, end = self._from(after), until if self.end is None else min(until, self.end)
        return self.schedule.count(begin, end) if begin < end else 0

    def _from(self, moment: datetime) -> datetime:
        start = self.start
        return moment if start is None or start <= moment else start - _MOMENT


def _to_the_last_year(found: Iterator[datetime]) -> Iterator[datetime]:
    """Give the slots as long as the calendar has years for them: a start may stand close to its end."""
    with suppress(OverflowError, ValueError):
        yield from found


def read_span(schedule: S, value: Mapping[Any, Any], zone: ZoneInfo) -> S | Span[S]:
    """Return the schedule within the object's `start` and `end`; itself when there is neither.

    Raises:
        BadInput: they are no times, or nothing is between them.
    """
    start, end = read_moment(value.get("start"), "start", zone), read_moment(value.get("end"), "end", zone)
    if start is None and end is None:
        return schedule
    if start is not None and end is not None and end < start:
        raise BadInput("end must not be before start.")
    return Span(schedule, start, end)


def read_moment(value: object, name: str, zone: ZoneInfo) -> datetime | None:
    """Return the time of an ISO 8601 text, in that zone unless it names an offset; None for no value.

    Raises:
        BadInput: it is none.
    """
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
        moment = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        # A few days from the ends of the calendar, other zones have no such time.
        moment.astimezone(ZoneInfo("UTC"))
    except (ValueError, OverflowError) as error:
        raise BadInput(f"{name} must be a time such as 2026-12-01T08:00 or 2026-12-01T07:00:00Z.") from error
    return moment
