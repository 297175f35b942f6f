"""Schedules in words, and schedules that begin and end."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wireroom.agents.schedule import count_slots, next_slot, read_schedule, slots_between
from wireroom.agents.schedule_words import in_words
from wireroom.clock import from_ms, to_ms
from wireroom.errors import BadInput

BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("30 7 * * 1-5", "Every weekday at 07:30"),
        ("30 7 * * MON,TUE,WED,THU,FRI", "Every weekday at 07:30"),
        ("0 8 * * *", "Every day at 08:00"),
        ("0 8 * * 0-7", "Every day at 08:00"),
        ("0 8,12,20 * * *", "Every day at 08:00, 12:00 and 20:00"),
        ("30 0 8 * * 1", "Every Monday at 08:00:30"),
        ("0 9 * * 6,0", "Every Saturday and Sunday at 09:00"),
        ("0 9 * * 7", "Every Sunday at 09:00"),
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0,15,30,45 * * * *", "Every 15 minutes"),
        ("*/15 9-17 * * mon-fri", "Every 15 minutes from 09:00 to 17:45, every weekday"),
        ("* 9 * * *", "Every minute from 09:00 to 09:59"),
        ("0 * * * *", "Every hour, on the hour"),
        ("20 * * * *", "Every hour, at minute 20"),
        ("0 */3 * * *", "Every 3 hours, on the hour"),
        ("0 9-17 * * 1-5", "Every hour, on the hour, from 09:00 to 17:00, every weekday"),
        ("*/10 * * * * *", "Every 10 seconds"),
        ("* * * * * *", "Every second"),
        ("daily", "Every day at 00:00"),
        ("every 90 seconds", "Every 90 seconds"),
        ({"every": 300_000}, "Every 5 minutes"),
        ({"every": 3_600_000}, "Every hour"),
        ({"every": 604_800_000}, "Every week"),
        ({"every": 1_500}, "Every 1.5 seconds"),
        ({"every": 60_000, "start": "2026-12-01T00:00"}, "Every minute"),
        ("0 0 1 * *", "At 00:00 on the first day of every month"),
        ("15 10 L * *", "At 10:15 on the last day of every month"),
        ("0 9 * * MON#1", "At 09:00 on the first Monday of the month"),
        ("0 8 1-7 * 1", "At 08:00 on every day of month from 1 through 7 and on Monday"),
        ("*/7 * * * *", "Every seventh minute of every hour"),
        ("0 8 * 1 *", "At 08:00 every day in January"),
    ],
    ids=str,
)
def test_schedule_is_told_in_words(schedule: object, words: str) -> None:
    """A schedule reads as a person would say it."""
    assert in_words(read_schedule(schedule, BERLIN)) == words


def ms(text: str) -> int:
    """Return a time in UTC in milliseconds."""
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_span_begins_and_ends_where_it_says() -> None:
    """Slots before the start and behind the end are none; the edges count, in the zone of the schedule."""
    span = read_schedule(
        {"pattern": "0 8 * * *", "start": "2026-12-02T08:00", "end": "2026-12-04T08:00"}, BERLIN
    )

    found = slots_between(span, ms("2026-01-01"), ms("2027-01-01"), 100)

    assert [from_ms(slot).isoformat() for slot in found] == [
        f"2026-12-0{day}T07:00:00+00:00" for day in (2, 3, 4)
    ]
    assert count_slots(span, ms("2026-01-01"), ms("2027-01-01")) == len(found)
    assert count_slots(span, ms("2027-01-01"), ms("2028-01-01")) == 0
    assert next_slot(span, ms("2026-12-04T07:00")) is None


def test_span_of_an_interval_may_have_one_end() -> None:
    """Start and end are bounds each of its own, and may name an offset."""
    begins = read_schedule({"every": 60_000, "start": "2026-12-01T01:00:00+01:00"}, BERLIN)
    ends = read_schedule({"every": 60_000, "end": "2026-12-01T00:00:00Z"}, BERLIN)

    assert next_slot(begins, ms("2026-01-01")) == ms("2026-12-01")
    assert next_slot(ends, ms("2026-12-01")) is None
    assert count_slots(ends, ms("2026-11-30T23:00"), ms("2026-12-05")) == 60


@pytest.mark.parametrize("schedule", ["0 0 29 2 *", "* * * * *", 60_000])
@pytest.mark.parametrize("start", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"])
def test_span_at_an_edge_of_the_calendar_has_the_slots_that_there_are(schedule: object, start: str) -> None:
    """A start in the last year is followed by few slots or none, one in the first year by all."""
    given = {"every" if schedule == 60_000 else "cron": schedule, "start": start}
    slot = next_slot(read_schedule(given, "UTC"), ms("2026-12-04T07:00"))
    assert (slot is None) == start.startswith("9")


@pytest.mark.parametrize(
    ("bounds", "about"),
    [
        ({"start": "soon"}, "start must be a time"),
        ({"end": 5}, "end must be a time"),
        ({"end": "9999-12-31T23:59:59-12:00"}, "end must be a time"),
        ({"start": "2026-12-02", "end": "2026-12-01"}, "end must not be before start"),
    ],
    ids=["words", "number", "end-of-the-calendar", "backwards"],
)
def test_span_that_cannot_be_meant_is_refused(bounds: dict[str, object], about: str) -> None:
    """A bound that is no time is refused with a sentence."""
    with pytest.raises(BadInput, match=about):
        read_schedule({"every": 60_000, **bounds}, BERLIN)
