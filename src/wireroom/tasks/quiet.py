"""Quiet hours: when a chat is not to be disturbed. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from wireroom.errors import SettingsError

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `start` to `end` on the clock of `zone`, over midnight if `end` is the earlier of the two."""

    start: time
    end: time
    zone: ZoneInfo

    def over_at(self, now: datetime) -> datetime | None:
        """Return when the quiet hours that `now` lies in are over, in UTC; None outside of them.

        An end that the clock skips in spring comes as if it had not; of one that it shows twice in autumn,
        the first counts.
        """
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


def read_quiet_hours(text: str, zone: str) -> QuietHours | None:
    """Return what a setting such as `22:00-07:00` means; None for an empty one.

    Raises:
        SettingsError: it, or the zone's name, cannot be read.
    """
    if not text.strip():
        return None
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise SettingsError(f"WIREROOM_QUIET_HOURS is {text!r}; give a span such as 22:00-07:00.")
    first, second, third, fourth = (int(number) for number in found.groups())
    if (first, second) == (third, fourth):
        raise SettingsError(f"WIREROOM_QUIET_HOURS is {text!r}: it begins when it ends.")
    try:
        place = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise SettingsError(f"WIREROOM_TIME_ZONE is {zone!r}; give a name such as Europe/Warsaw.") from error
    return QuietHours(time(first, second), time(third, fourth), place)
