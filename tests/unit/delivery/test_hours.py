"""Times of day on a chat's clock, through both changes of it."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from wireroom.conversations.chat_settings import ChatSettings
from wireroom.delivery.hours import (
    next_daily,
    read_hours,
    read_quiet_hours,
    read_time,
    read_zone,
    start_of_day,
)
from wireroom.delivery.quiet import quiet_hours_of
from wireroom.errors import BadInput, SettingsError

_WARSAW = ZoneInfo("Europe/Warsaw")


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


@pytest.mark.parametrize(
    ("at", "after", "expected"),
    [
        ("18:00", "2026-07-01T15:59", "2026-07-01T16:00"),
        ("18:00", "2026-07-01T16:00", "2026-07-02T16:00"),
        ("00:30", "2026-07-01T22:00", "2026-07-01T22:30"),
        ("18:00", "2026-03-28T17:00", "2026-03-29T16:00"),
        ("02:30", "2026-03-28T12:00", "2026-03-29T01:30"),
        ("02:30", "2026-03-29T01:30", "2026-03-30T00:30"),
        ("02:30", "2026-10-24T12:00", "2026-10-25T00:30"),
        ("02:30", "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
    ids=[
        "today",
        "the moment itself is past",
        "another day there",
        "over the change in spring",
        "skipped in spring",
        "once in spring",
        "shown twice in autumn",
        "once in autumn",
    ],
)
def test_daily_time_comes_once_a_day(at: str, after: str, expected: str) -> None:
    """The next time is the first after the moment, whatever the clock does between."""
    assert next_daily(read_time(at), _WARSAW, _utc(after)) == _utc(expected)


def test_daily_time_comes_exactly_once_on_each_day_of_a_year() -> None:
    """A year of any time of day is 365 times, each on a day of its own."""
    for at in (time(2, 30), time(0, 0), time(18, 0)):
        moment, days = _utc("2026-01-01T12:00"), []
        for _ in range(365):
            moment = next_daily(at, _WARSAW, moment)
            days.append(moment.astimezone(_WARSAW).date())
        assert days == [days[0] + timedelta(days=number) for number in range(365)]


@pytest.mark.parametrize(
    ("hours", "now", "over_at"),
    [
        ("22:00-07:00", "2026-07-01T19:59", None),
        ("22:00-07:00", "2026-07-01T20:00", "2026-07-02T05:00"),
        ("22:00-07:00", "2026-07-02T04:59", "2026-07-02T05:00"),
        ("22:00-07:00", "2026-07-02T05:00", None),
        ("13:00-14:00", "2026-07-01T11:30", "2026-07-01T12:00"),
        ("22:00-07:00", "2026-03-29T00:30", "2026-03-29T05:00"),
        ("22:00-02:30", "2026-03-29T00:30", "2026-03-29T01:30"),
        ("22:00-07:00", "2026-10-25T01:30", "2026-10-25T06:00"),
        ("22:00-02:30", "2026-10-24T23:30", "2026-10-25T00:30"),
    ],
)
def test_quiet_hours_end_by_the_chats_clock(hours: str, now: str, over_at: str | None) -> None:
    """Inside of them the end is told, outside of them nothing; both changes of the clock are kept."""
    expected = None if over_at is None else _utc(over_at)
    assert read_hours(hours, _WARSAW).over_at(_utc(now)) == expected


def test_day_begins_at_midnight_of_the_chats_clock() -> None:
    """What was spent today is counted from there, also on the days of 23 and 25 hours."""
    assert start_of_day(_WARSAW, _utc("2026-07-01T22:30")) == _utc("2026-07-01T22:00")
    assert start_of_day(_WARSAW, _utc("2026-10-25T12:00")) == _utc("2026-10-24T22:00")
    assert start_of_day(_WARSAW, _utc("2026-03-29T12:00")) == _utc("2026-03-28T23:00")


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_time, "24:00"),
        (read_time, "six"),
        (read_zone, "Mars/Olympus"),
        (read_zone, "../etc/passwd"),
        (lambda text: read_hours(text, _WARSAW), "22-7"),
        (lambda text: read_hours(text, _WARSAW), "22:00-22:00"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(read: object, text: str) -> None:
    """A slip names what was written and what is expected."""
    with pytest.raises(BadInput, match=r"such as|begins when it ends"):
        read(text)  # type: ignore[operator] # one of several readers


@pytest.mark.parametrize(
    ("hours", "zone", "named"),
    [("nonsense", "UTC", "WIREROOM_QUIET_HOURS"), ("22:00-07:00", "Nowhere", "WIREROOM_TIME_ZONE")],
)
def test_bad_setting_is_named(hours: str, zone: str, named: str) -> None:
    """The start stops with the variable that must be mended; an empty one is no quiet hours."""
    with pytest.raises(SettingsError, match=named):
        read_quiet_hours(hours, zone)
    assert read_quiet_hours(" ", zone) is None


def test_chat_without_readable_hours_has_none() -> None:
    """Hours are read in the chat's own zone; those that nobody can read are none."""
    assert quiet_hours_of(ChatSettings(), "UTC") is None
    assert quiet_hours_of(ChatSettings(quiet="sometimes"), "UTC") is None
    chosen = quiet_hours_of(ChatSettings(quiet="22:00-07:00", zone="Europe/Warsaw"), "UTC")
    assert chosen is not None
    assert chosen.zone == _WARSAW
