"""A schedule as a person would say it: "Every weekday at 07:30". Pure.

The words follow from what cronsim has read of an expression, not from its text, so they tell what happens.
What has no shorter name than its fields is told by `CronSim.explain`, which knows the same dialect.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import product

from cronsim import CronSim

from wireroom.agents.schedule import Cron, Every, Schedule
from wireroom.agents.span import Span

_UNITS_MS = (
    ("week", 604_800_000),
    ("day", 86_400_000),
    ("hour", 3_600_000),
    ("minute", 60_000),
    ("second", 1_000),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MOST_TIMES = 4
"""Times of a day that are listed one by one."""
_ALL_HOURS = frozenset(range(24))
_ALL_MINUTES = frozenset(range(60))


def in_words(schedule: Schedule) -> str:
    """Return when the schedule is due, without its time zone: `Every 15 minutes from 09:00 to 17:45`.

    The first and the last day of a span are not told: they are times, which readers see in their own way.
    """
    match schedule:
        case Every(interval_ms):
            return _interval(interval_ms)
        case Cron(expression):
            return _cron(expression)
        case Span(inner):
            return in_words(inner)


def _interval(interval_ms: int) -> str:
    for unit, size_ms in _UNITS_MS:
        if interval_ms % size_ms == 0:
            return _every(interval_ms // size_ms, unit)
    return f"Every {interval_ms / 1000:g} seconds"


def _every(count: int, unit: str) -> str:
    return f"Every {unit}" if count == 1 else f"Every {count} {unit}s"


def _cron(expression: str) -> str:
    sim = CronSim(expression, datetime(2026, 1, 1))  # noqa: DTZ001 - only to have it read
    days = _days(sim)
    if days is not None:
        times = _times(sim)
        if times is not None:
            return f"{days} at {times}"
        pace = _pace(sim)
        if pace is not None:
            return pace if days == "Every day" else f"{pace}, {days[:1].lower()}{days[1:]}"
    return sim.explain()


def _days(sim: CronSim) -> str | None:
    """Return on which days it is due, None for days of a month or of some months."""
    day_field, weekday_field = sim.parts[3], sim.parts[5]
    if len(sim.months) < len(range(1, 13)) or day_field != "*":
        return None
    if weekday_field == "*":
        return "Every day"
    if any(isinstance(day, tuple) for day in sim.weekdays):
        return None
    wanted = sorted({int(day) % 7 for day in sim.weekdays if not isinstance(day, tuple)})
    if wanted == [1, 2, 3, 4, 5]:
        return "Every weekday"
    if len(wanted) == len(_DAYS):
        return "Every day"
    # The week of most calendars begins with Monday.
    names = [_DAYS[day] for day in sorted(wanted, key=lambda day: day or len(_DAYS))]
    return f"Every {_joined(names)}"


def _times(sim: CronSim) -> str | None:
    """Return the times of the day, None when they are too many to be listed."""
    if len(sim.hours) * len(sim.minutes) * len(sim.seconds) > _MOST_TIMES:
        return None
    shows_seconds = sim.seconds != {0}
    return _joined(
        [
            f"{hour:02}:{minute:02}" + (f":{second:02}" if shows_seconds else "")
            for hour, minute, second in product(sorted(sim.hours), sorted(sim.minutes), sorted(sim.seconds))
        ]
    )


def _pace(sim: CronSim) -> str | None:
    """Return an even pace through the day, or through some hours of it that follow each other."""
    all_hours, all_minutes = sim.hours == _ALL_HOURS, sim.minutes == _ALL_MINUTES
    if sim.seconds != {0}:
        step = _step(sorted(sim.seconds), 60)
        return _every(step, "second") if step and all_hours and all_minutes else None
    step = _step(sorted(sim.minutes), 60)
    if step is not None:
        return _every(step, "minute") + ("" if all_hours else _span(sim)) if _is_block(sim.hours) else None
    if len(sim.minutes) > 1:
        return None
    minute, hours = min(sim.minutes), _step(sorted(sim.hours), 24)
    past = "on the hour" if minute == 0 else f"at minute {minute}"
    if hours is not None:
        return f"{_every(hours, 'hour')}, {past}"
    return f"Every hour, {past}, {_span(sim).strip()}" if _is_block(sim.hours) else None


def _span(sim: CronSim) -> str:
    minutes = sorted(sim.minutes)
    return f" from {min(sim.hours):02}:{minutes[0]:02} to {max(sim.hours):02}:{minutes[-1]:02}"


def _is_block(hours: set[int]) -> bool:
    """Tell whether the hours follow each other."""
    return len(hours) == max(hours) - min(hours) + 1


def _step(values: Sequence[int], length: int) -> int | None:
    """Return the step of values 0, n, 2n … that goes on evenly past `length`; None when there is none."""
    if len(values) == 1:
        return None
    step = length // len(values)
    return step if list(values) == list(range(0, length, step)) and length % step == 0 else None


def _joined(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
