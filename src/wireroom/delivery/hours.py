"""Times of day on a chat's clock: hours in which it is not to be disturbed, and something daily. Pure.

The clock's changes: a time that the clock skips in spring comes as if it had not; of one that it shows twice
in autumn, the first counts. So each day has each time of day exactly once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wireroom.errors import BadInput, SettingsError

_TIME = r"([01]?\d|2[0-3]):([0-5]\d)"
_TIME_OF_DAY = re.compile(_TIME)
_HOURS = re.compile(f"{_TIME}-{_TIME}")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` on the clock of `zone`, over midnight if `end` is the earlier of the two."""

    start: time
    end: time
    zone: ZoneInfo

    def over_at(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that `now` lies in are over, in UTC; None outside of them."""
        local = now.astimezone(self.zone)
        clock = local.time().replace(tzinfo=None)
        over_midnight = self.end <= self.start
        if over_midnight:
            is_quiet = clock >= self.start or clock < self.end
        else:
            is_quiet = self.start <= clock < self.end
        if not is_quiet:
            return None
        day = local.date() + timedelta(days=1 if over_midnight and clock >= self.start else 0)
        return datetime.combine(day, self.end, self.zone).astimezone(UTC)


def next_daily(at: time, zone: ZoneInfo, after: datetime) -> datetime:
    """Return when it is `at` on the zone's clock for the first time after the moment, in UTC."""
    day = after.astimezone(zone).date()
    while (found := datetime.combine(day, at, zone).astimezone(UTC)) <= after:
        day += _DAY
    return found


def start_of_day(zone: ZoneInfo, now: datetime) -> datetime:
    """Return when the day began that it is on the zone's clock, in UTC."""
    return datetime.combine(now.astimezone(zone).date(), time(), zone).astimezone(UTC)


def read_time(text: str) -> time:
    """Return the time of day that is written as `18:00`.

    Raises:
        BadInput: it is none.
    """
    found = _TIME_OF_DAY.fullmatch(text)
    if found is None:
        raise BadInput(f"{text!r} is no time of day; give one such as 18:00.")
    return time(int(found[1]), int(found[2]))


def read_zone(name: str) -> ZoneInfo:
    """Return the time zone of this name.

    Raises:
        BadInput: there is none.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise BadInput(f"{name!r} is no time zone; give one such as Europe/Warsaw.") from error


def read_hours(text: str, zone: ZoneInfo) -> QuietHours:
    """Return the hours that are written as `22:00-07:00`.

    Raises:
        BadInput: they cannot be read, or begin when they end.
    """
    found = _HOURS.fullmatch(text)
    if found is None:
        raise BadInput(f"{text!r} are no hours; give a span such as 22:00-07:00.")
    first, second, third, fourth = (int(number) for number in found.groups())
    if (first, second) == (third, fourth):
        raise BadInput(f"{text!r} begins when it ends.")
    return QuietHours(time(first, second), time(third, fourth), zone)


def usual_zone(setting: str) -> ZoneInfo:
    """Return the zone of chats that have not said.

    Raises:
        SettingsError: there is none of this name.
    """
    try:
        return read_zone(setting)
    except BadInput as error:
        raise SettingsError(f"WIREROOM_TIME_ZONE is wrong: {error}") from error


def read_quiet_hours(text: str, zone: str) -> QuietHours | None:
    """Return what the settings say of quiet hours; None for an empty one.

    Raises:
        SettingsError: they, or the zone's name, cannot be read.
    """
    if not text.strip():
        return None
    try:
        return read_hours(text.strip(), usual_zone(zone))
    except BadInput as error:
        raise SettingsError(f"WIREROOM_QUIET_HOURS is wrong: {error}") from error
