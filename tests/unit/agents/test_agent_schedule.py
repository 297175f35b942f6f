"""When agents are due: cron of five and six fields, intervals, words, and the clock's changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wireroom.agents.schedule import (
    Every,
    count_slots,
    last_slot,
    next_slot,
    read_schedule,
    slots_between,
)
from wireroom.clock import from_ms, to_ms
from wireroom.errors import BadInput

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    """Return a time, in UTC unless it says otherwise, in milliseconds."""
    moment = datetime.fromisoformat(text)
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def local(slot: int, zone: str) -> str:
    """Return a slot as the wall clock of its zone shows it."""
    return from_ms(slot).astimezone(ZoneInfo(zone)).isoformat()


def slots(schedule: object, zone: str, after: str, until: str) -> list[str]:
    """Return the slots in (after, until] as the wall clock shows them."""
    found = slots_between(read_schedule(schedule, zone), ms(after), ms(until), 10_000)
    return [local(slot, zone)[:19] for slot in found]


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        pytest.param("0 8 * * *", "2026-01-01T08:00", "2026-01-02T08:00:00", id="five-fields"),
        pytest.param("*/10 * * * * *", "2026-01-01T08:00:01", "2026-01-01T08:00:10", id="six-fields"),
        pytest.param("30 0 8 * * *", "2026-01-01T08:00:29", "2026-01-01T08:00:30", id="seconds-first"),
        pytest.param("0 8 * * MON-FRI", "2026-01-02T09:00", "2026-01-05T08:00:00", id="names-of-days"),
        pytest.param("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00:00", id="leap-day"),
        pytest.param({"every": 60_000}, "2026-01-01T08:00:00.001", "2026-01-01T08:01:00", id="every"),
        pytest.param({"every": "5000"}, "2026-01-01T08:00:00", "2026-01-01T08:00:05", id="every-as-text"),
        pytest.param({"pattern": "0 9 * * *"}, "2026-01-01T08:00", "2026-01-01T09:00:00", id="pattern"),
        pytest.param("every 30 seconds", "2026-01-01T08:00:01", "2026-01-01T08:00:30", id="words-seconds"),
        pytest.param("Every 5 minutes", "2026-01-01T08:01", "2026-01-01T08:05:00", id="words-minutes"),
        pytest.param("every 1 hour", "2026-01-01T08:01", "2026-01-01T09:00:00", id="words-one-hour"),
        pytest.param("hourly", "2026-01-01T08:01", "2026-01-01T09:00:00", id="hourly"),
        pytest.param("@daily", "2026-01-01T08:01", "2026-01-02T00:00:00", id="at-daily"),
        pytest.param("every day", "2026-01-01T08:01", "2026-01-02T00:00:00", id="every-day"),
        pytest.param("weekly", "2026-01-01T08:01", "2026-01-04T00:00:00", id="weekly-on-sunday"),
        pytest.param("every second", "2026-01-01T08:00", "2026-01-01T08:00:01", id="every-second"),
    ],
)
def test_schedule_is_due_next(schedule: object, after: str, expected: str) -> None:
    """Every documented form of a schedule names its next slot."""
    found = next_slot(read_schedule(schedule, "UTC"), ms(after))

    assert found == ms(expected)


@pytest.mark.parametrize(
    "schedule",
    [
        pytest.param("", id="empty"),
        pytest.param("soon", id="no-cron"),
        pytest.param("* * * *", id="four-fields"),
        pytest.param("61 * * * *", id="out-of-range"),
        pytest.param("0 0 30 2 *", id="never"),
        pytest.param("every 0 seconds", id="no-interval"),
        pytest.param("every 2 months", id="uneven-interval"),
        pytest.param({"every": 10}, id="storm"),
        pytest.param({"every": True}, id="boolean"),
        pytest.param({"every": 1000, "pattern": "* * * * *"}, id="both"),
        pytest.param({"every": 1000, "limit": 3}, id="unknown-field"),
        pytest.param({}, id="nothing"),
        pytest.param(["* * * * *"], id="list"),
        pytest.param("* " * 300, id="long"),
        pytest.param("0,, 8 * * *", id="empty-term"),
        pytest.param("*/x 8 * * *", id="bad-step"),
    ],
)
def test_schedule_that_cannot_be_meant_is_refused(schedule: object) -> None:
    """What is no schedule is refused with a sentence, and never with another error."""
    with pytest.raises(BadInput):
        read_schedule(schedule, "UTC")


def test_unknown_time_zone_is_refused() -> None:
    """A zone that does not exist is refused, and so is a path."""
    for zone in ("Mars/Olympus", "../../etc/passwd", ""):
        with pytest.raises(BadInput, match="timezone"):
            read_schedule("0 8 * * *", zone)


@pytest.mark.parametrize("schedule", ["30 2 * * *", "0 30 2 * * *"], ids=["five", "six"])
def test_time_of_day_that_does_not_exist_is_moved_on(schedule: str) -> None:
    """On the day when clocks go forward over 02:30 the slot is at the next minute that exists, once."""
    found = slots(schedule, BERLIN, "2026-03-28T00:00", "2026-03-30T12:00")

    assert found == ["2026-03-28T02:30:00", "2026-03-29T03:00:00", "2026-03-30T02:30:00"]


@pytest.mark.parametrize("schedule", ["30 2 * * *", "0 30 2 * * *"], ids=["five", "six"])
def test_time_of_day_that_exists_twice_counts_once(schedule: str) -> None:
    """On the day when clocks go back over 02:30 there is one slot, the first of the two."""
    found = slots(schedule, BERLIN, "2026-10-24T00:00", "2026-10-26T12:00")

    assert found == ["2026-10-24T02:30:00", "2026-10-25T02:30:00", "2026-10-26T02:30:00"]


@pytest.mark.parametrize("schedule", ["*/30 * * * *", "0 */30 * * * *"], ids=["five", "six"])
def test_interval_like_cron_follows_real_time(schedule: str) -> None:
    """Every half hour stays every half hour on the days of 23 and of 25 hours."""
    short = slots(schedule, BERLIN, "2026-03-28T23:00", "2026-03-29T22:00")
    long = slots(schedule, BERLIN, "2026-10-24T22:00", "2026-10-25T23:00")

    assert (len(short), len(long)) == (46, 50)


def test_interval_knows_no_clock_changes() -> None:
    """An interval of an hour has 24 slots in each 24 hours, whatever the zone."""
    assert len(slots({"every": 3_600_000}, BERLIN, "2026-03-28T23:00", "2026-03-29T23:00")) == 24


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    second=st.one_of(st.none(), st.integers(0, 59)),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),  # noqa: DTZ001 - made aware below
)
def test_daily_slots_come_once_a_day_and_do_not_depend_on_where_one_begins(
    minute: int, hour: int, second: int | None, zone: str, start: datetime
) -> None:
    """A daily time has one slot each calendar day of its zone, and asking from any moment gives the same."""
    expression = f"{minute} {hour} * * *" if second is None else f"{second} {minute} {hour} * * *"
    schedule = read_schedule(expression, zone)
    begin = to_ms(start.replace(tzinfo=UTC))
    found = slots_between(schedule, begin, begin + 20 * 86_400_000, 100)
    days = [local(slot, zone)[:10] for slot in found]

    assert len(set(days)) == len(days)
    assert all(next_slot(schedule, slot - 1) == slot for slot in found)
    assert all(next_slot(schedule, earlier) == later for earlier, later in pairwise(found))
    assert max(later - earlier for earlier, later in pairwise(found)) <= 25 * 3_600_000


@given(interval=st.integers(1_000, 10_000_000), after=st.integers(0, 2_000_000_000_000))
def test_interval_slots_do_not_depend_on_when_the_agent_was_made(interval: int, after: int) -> None:
    """The slots of an interval are its whole multiples since the epoch."""
    found = next_slot(Every(interval), after)

    assert found is not None
    assert found % interval == 0
    assert after < found <= after + interval


@given(
    schedule=st.sampled_from(
        [
            "30 2 * * *",
            "15 30 1-3 * * *",
            "*/20 * * * *",
            "0 9-17/4 * * MON-FRI",
            "5 0 L * *",
            "0 * 1 */2 *",
            {"every": 7_000_000},
        ]
    ),
    zone=st.sampled_from([BERLIN, "America/Santiago", "Australia/Lord_Howe", "Africa/Cairo", "UTC"]),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 1)),  # noqa: DTZ001 - made aware below
    hours=st.integers(0, 1_000),
)
@settings(max_examples=40)
def test_slots_of_a_long_time_are_counted_without_walking_them(
    schedule: object, zone: str, start: datetime, hours: int
) -> None:
    """The number of slots and the newest of them are what walking finds, over changes of the clock, too."""
    read, after = read_schedule(schedule, zone), to_ms(start.replace(tzinfo=UTC))
    until = after + hours * 3_600_000
    walked = slots_between(read, after, until, 10_000)

    assert count_slots(read, after, until) == len(walked)
    assert last_slot(read, after, until) == (walked[-1] if walked else None)


def test_slots_between_are_bounded() -> None:
    """A long gap gives no more slots than were asked for, the oldest ones."""
    found = slots_between(Every(1_000), 0, to_ms(from_ms(0) + timedelta(days=3)), 10)

    assert found == [1_000 * number for number in range(1, 11)]
