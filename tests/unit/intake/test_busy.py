"""What becomes of a message that comes while its chat is busy."""

from __future__ import annotations

import pytest

from wireroom.intake.busy import (
    Ask,
    Collect,
    Decision,
    Interrupt,
    Join,
    Offer,
    Standing,
    decide,
    read_mode,
)
from wireroom.runs.busy import BusyMode, as_one, told
from wireroom.runs.options import RunOptions
from wireroom.runs.waiting_words import TELLING, Waiting, in_line, place_texts
from wireroom.speech.limits import Recording

IDLE = Standing()
WAITING = Standing(is_busy=True)
WORKING = Standing(is_busy=True, at_work="r1")
TOLD = Standing(is_busy=True, at_work="r1", takes_words=True)
COLLECTING = Standing(is_busy=True, at_work="r1", takes_words=True, collecting="r2")


@pytest.mark.parametrize(
    ("mode", "standing", "expected"),
    [
        pytest.param(BusyMode.FOLLOWUP, COLLECTING, Ask(), id="followup always has its own turn"),
        pytest.param(BusyMode.COLLECT, IDLE, Ask(), id="nothing to collect beside"),
        pytest.param(
            BusyMode.COLLECT, WAITING, Collect(), id="the first begins to collect, though none works"
        ),
        pytest.param(BusyMode.COLLECT, WORKING, Collect(), id="the first begins to collect"),
        pytest.param(BusyMode.COLLECT, COLLECTING, Join("r2"), id="the next joins it"),
        pytest.param(BusyMode.STEER, IDLE, Ask(), id="nobody to steer"),
        pytest.param(BusyMode.STEER, WAITING, Ask(), id="none at work to steer"),
        pytest.param(BusyMode.STEER, WORKING, Ask(), id="the agent cannot be told"),
        pytest.param(BusyMode.STEER, TOLD, Offer("r1"), id="the agent is told"),
        pytest.param(BusyMode.INTERRUPT, IDLE, Ask(), id="nothing to interrupt"),
        pytest.param(BusyMode.INTERRUPT, WAITING, Ask(), id="only waiting or stopping: a turn of its own"),
        pytest.param(BusyMode.INTERRUPT, WORKING, Interrupt("r1"), id="the agent is stopped"),
    ],
)
def test_message_while_busy_becomes_what_the_mode_says(
    mode: BusyMode, standing: Standing, expected: Decision
) -> None:
    """Each mode does its own with a message, and falls back to a turn of its own."""
    assert decide(mode, standing, is_plain=True) == expected


@pytest.mark.parametrize("mode", [BusyMode.COLLECT, BusyMode.STEER])
def test_message_with_more_than_words_has_its_own_turn(mode: BusyMode) -> None:
    """A recording, files or wishes of its own cannot be given to another request."""
    assert decide(mode, COLLECTING, is_plain=False) == Ask()
    assert decide(BusyMode.INTERRUPT, COLLECTING, is_plain=False) == Interrupt("r1")


def test_modes_are_read_by_their_names_alone() -> None:
    """A word that is no mode is none."""
    assert [read_mode(word) for word in ("collect", "Collect", "", "all")] == [
        BusyMode.COLLECT,
        None,
        None,
        None,
    ]


def test_collected_messages_are_one_prompt_with_blank_lines() -> None:
    """Each text stays apart, also where it has blank lines of its own."""
    assert as_one(["a\n\nb", "c"]) == "a\n\nb\n\nc"


def test_agent_is_told_that_a_message_interrupted_it() -> None:
    """Only the interrupting message says so, before its own words."""
    assert told("do it", BusyMode.STEER) == told("do it", None) == "do it"
    assert told("do it", "interrupt").endswith("\n\ndo it")
    assert "interrupted" in told("do it", "interrupt")


def test_placeholder_tells_place_and_what_was_collected() -> None:
    """One message, several, or none: the place stands last."""
    assert in_line(2) == "🕐 Queued, number 2 in line"
    assert in_line(1, collected=1) == "🕐 1 message collected, number 1 in line"
    assert in_line(1, collected=3) == "🕐 3 messages collected, number 1 in line"


def test_line_tells_each_its_place() -> None:
    """Who interrupts goes first; who is told or was heard says that, and is counted all the same."""
    spoken = RunOptions(recording=Recording("f", "u", 3))
    line = [
        Waiting("plain", RunOptions()),
        Waiting("told", RunOptions(busy="steer"), is_told=True),
        Waiting("not told", RunOptions(busy="steer")),
        Waiting("spoken", spoken),
        Waiting("collects", RunOptions(busy="collect"), joined=2),
        Waiting("urgent", RunOptions(busy="interrupt")),
    ]
    assert place_texts(line) == {
        "urgent": in_line(1),
        "plain": in_line(2),
        "told": TELLING,
        "not told": in_line(4),
        "collects": in_line(6, collected=3),
    }
