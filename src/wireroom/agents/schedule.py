"""When an agent is due: cron of five or six fields, an interval, or words for either. Pure.

A *slot* is one time of a schedule, in milliseconds since the epoch. Slots follow from the schedule and its
time zone alone, never from when somebody looked, so a restart can neither move nor repeat one.

The clock's changes: a cron time of day that does not exist on that day is moved on to the first minute that
does, and one that exists twice counts once. What has `*` for its minute or hour follows real time instead.
Source: cron(8) of Debian, on changes of less than three hours; cronsim does it for five fields, this module
for six as well. Intervals are whole multiples since the epoch and know no clock changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from wireroom.agents.span import NAMES as SPAN_NAMES
from wireroom.agents.span import Span, read_span
from wireroom.clock import from_ms, to_ms
from wireroom.errors import BadInput

SHORTEST_INTERVAL_MS = 1_000
LONGEST_INTERVAL_MS = 366 * 86_400_000
_MAX_CHARS = 200
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_MOMENT = timedelta(milliseconds=1)
_FIRST_LOOK_BACK_MS = 60_000
_AROUND_A_CHANGE = timedelta(hours=4)
_UNITS_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000, "week": 604_800_000}
_EVERY = re.compile(r"every (?:([0-9]{1,9}) )?(second|minute|hour|day|week|month|year)(s?)")
_WORDS = {
    "minutely": "* * * * *",
    "hourly": "0 * * * *",
    "daily": "0 0 * * *",
    "midnight": "0 0 * * *",
    "weekly": "0 0 * * 0",
    "monthly": "0 0 1 * *",
    "yearly": "0 0 1 1 *",
    "annually": "0 0 1 1 *",
    "every minute": "* * * * *",
    "every hour": "0 * * * *",
    "every day": "0 0 * * *",
    "every week": "0 0 * * 0",
    "every month": "0 0 1 * *",
    "every year": "0 0 1 1 *",
}
_HELP = (
    'Expected cron such as "0 8 * * 1-5" (six fields begin with seconds), {"every": milliseconds}, or words'
    ' such as "every 5 minutes", "hourly", "daily".'
)


@dataclass(frozen=True, slots=True)
class Cron:
    """Times of day of a calendar."""

    expression: str
    zone: ZoneInfo

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots after the moment, oldest first, as aware UTC times; none once it never matches."""
        minute, hour = self.expression.split()[-5:-3]
        if minute.startswith("*") or hour.startswith("*"):
            start = moment.astimezone(self._plain_zone())
            yield from (found.astimezone(UTC) for found in CronSim(self.expression, start))
            return
        yield from self._times_of_day(moment)

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots are in (after, until]; of whole days they are multiplied, not walked."""
        midnights = [
            datetime.combine(day, time(), self.zone)
            for day in _days(after.astimezone(self.zone).date() + _DAY, until.astimezone(self.zone).date())
        ]
        if not midnights:
            return self._walk(after, until)
        sim = CronSim(self.expression, datetime(2026, 1, 1))  # noqa: DTZ001 - only to have it read
        a_day = len(sim.seconds) * len(sim.minutes) * len(sim.hours)
        edges = [midnight.astimezone(UTC) - _MOMENT for midnight in midnights]
        total = self._walk(after, edges[0]) + self._walk(edges[-1], until)
        for (begin, end), part in zip(pairwise(midnights), pairwise(edges), strict=True):
            if begin.utcoffset() != end.utcoffset():
                total += self._walk(*part)
            elif begin.month in sim.months and sim.match_day(begin.date()):
                total += a_day
        return total

    def _walk(self, after: datetime, until: datetime) -> int:
        return sum(1 for _ in takewhile(lambda found: found <= until, self.after(after)))

    def _plain_zone(self) -> Any:
        """Return what cronsim walks fastest and without its own rule for clock changes."""
        return UTC if self.zone.key == "UTC" else self.zone

    def _times_of_day(self, moment: datetime) -> Iterator[datetime]:
        """Walk the wall clock without its changes, then put each time where it really is."""
        last = moment
        for found in CronSim(self.expression, self._wall_clock(moment)):
            real = self._placed(found)
            if real > last:
                last = real
                yield real

    def _wall_clock(self, moment: datetime) -> datetime:
        """Return where the walk begins: well before a change, since it may move times to after `moment`."""
        here, before = moment.astimezone(self.zone), (moment - _AROUND_A_CHANGE).astimezone(self.zone)
        begin = here if here.utcoffset() == before.utcoffset() else here - _AROUND_A_CHANGE
        return begin.replace(tzinfo=None)

    def _placed(self, wall: datetime) -> datetime:
        while True:
            real = wall.replace(tzinfo=self.zone).astimezone(UTC)
            if real.astimezone(self.zone).replace(tzinfo=None) == wall:
                return real
            wall += _MINUTE


@dataclass(frozen=True, slots=True)
class Every:
    """An interval."""

    interval_ms: int

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots after the moment, oldest first, as aware UTC times."""
        slot_ms = to_ms(moment) // self.interval_ms * self.interval_ms
        while True:
            slot_ms += self.interval_ms
            yield from_ms(slot_ms)

    def count(self, after: datetime, until: datetime) -> int:
        """Return how many slots are in (after, until]."""
        return to_ms(until) // self.interval_ms - to_ms(after) // self.interval_ms


Unbounded = Cron | Every
Schedule = Unbounded | Span[Unbounded]


def read_schedule(value: object, timezone: str) -> Schedule:
    """Return the schedule that its maker means.

    Args:
        value: Cron, words, or an object with `every` (milliseconds), or with `pattern` or `cron`, and `tz`;
            `start` and `end` bound it, in the time zone unless they name an offset.
        timezone: IANA name, such as `Europe/Berlin`, for cron; an object's own `tz` goes before it.

    Raises:
        BadInput: it cannot be meant, or will never be due; the message says what is expected.
    """
    if isinstance(value, Mapping):
        return read_span(_read_object(value, timezone), value, read_timezone(value.get("tz", timezone)))
    return _read_text(value, timezone)


def next_slot(schedule: Schedule, after_ms: int) -> int | None:
    """Return the first slot later than that time; None when there is none in the next fifty years."""
    found = next(iter(schedule.after(from_ms(after_ms))), None)
    return None if found is None else to_ms(found)


def slots_between(schedule: Schedule, after_ms: int, until_ms: int, limit: int) -> list[int]:
    """Return the slots in (after_ms, until_ms], oldest first, at most `limit`."""
    return slots_and_next(schedule, after_ms, until_ms, limit)[0]


def slots_and_next(
    schedule: Schedule, after_ms: int, until_ms: int, limit: int
) -> tuple[list[int], int | None]:
    """Return the slots in (after_ms, until_ms], oldest first, at most `limit`, and the one behind them."""
    slots: list[int] = []
    for moment in schedule.after(from_ms(after_ms)):
        slot = to_ms(moment)
        if slot > until_ms or len(slots) == limit:
            return slots, slot
        slots.append(slot)
    return slots, None


def last_slot(schedule: Schedule, after_ms: int, until_ms: int) -> int | None:
    """Return the newest slot in (after_ms, until_ms], None when there is none; the others are not walked."""
    back_ms = _FIRST_LOOK_BACK_MS
    while True:
        begin_ms = max(after_ms, until_ms - back_ms)
        found = slots_between(schedule, begin_ms, until_ms, back_ms)
        if found or begin_ms == after_ms:
            return found[-1] if found else None
        back_ms *= 4


def count_slots(schedule: Schedule, after_ms: int, until_ms: int) -> int:
    """Return how many slots are in (after_ms, until_ms], however many that are."""
    return schedule.count(from_ms(after_ms), from_ms(until_ms))


def read_timezone(name: object) -> ZoneInfo:
    """Return the time zone of that IANA name.

    Raises:
        BadInput: there is none of that name.
    """
    try:
        return ZoneInfo(name if isinstance(name, str) else "")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInput("timezone must be an IANA name such as Europe/Berlin or UTC.") from error


def _read_text(value: object, timezone: str) -> Unbounded:
    if not isinstance(value, str) or not value.strip() or len(value) > _MAX_CHARS:
        raise BadInput(f"schedule cannot be read. {_HELP}")
    words = " ".join(value.lower().split()).removeprefix("@")
    found = _EVERY.fullmatch(words)
    if found and (interval := _interval_of(found)) is not None:
        return _every(interval)
    return _cron(_WORDS.get(words, value.strip()), timezone)


def _read_object(value: Mapping[Any, Any], timezone: str) -> Unbounded:
    unknown = sorted(str(name) for name in value.keys() - {"every", "pattern", "cron", "tz"} - SPAN_NAMES)
    if unknown:
        raise BadInput(f"schedule has fields that are not known: {', '.join(unknown)}. {_HELP}")
    pattern = value.get("pattern", value.get("cron"))
    if ("every" in value) is (pattern is not None):
        raise BadInput(f"schedule must have either every or pattern. {_HELP}")
    if pattern is not None:
        return _read_text(pattern, value.get("tz", timezone))
    every = value["every"]
    if isinstance(every, str) and every.isdecimal():
        every = int(every)
    if isinstance(every, bool) or not isinstance(every, int):
        raise BadInput("schedule.every must be a whole number of milliseconds.")
    return _every(every)


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += _DAY


def _every(interval_ms: int) -> Every:
    if not SHORTEST_INTERVAL_MS <= interval_ms <= LONGEST_INTERVAL_MS:
        raise BadInput("schedule must be due at most each second and at least each year.")
    return Every(interval_ms)


def _interval_of(found: re.Match[str]) -> int | None:
    """Return the words' interval; None for words that name a time of the calendar, and for months."""
    count, unit, plural = found.groups()
    if count is None:
        return _UNITS_MS["second"] if (unit, plural) == ("second", "") else None
    return int(count) * _UNITS_MS[unit] if unit in _UNITS_MS else None


def _cron(expression: str, timezone: str) -> Cron:
    schedule = Cron(expression, read_timezone(timezone))
    try:
        CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001 - only to have it read
        is_due = next_slot(schedule, 0) is not None
    except (CronSimError, ValueError, IndexError, AssertionError) as error:
        raise BadInput(f"schedule cannot be read: {error}. {_HELP}") from error
    if not is_due:
        raise BadInput("schedule names a day that never comes.")
    return schedule
