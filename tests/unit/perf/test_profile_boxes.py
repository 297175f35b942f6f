"""Profiles as boxes of a flame graph."""

from __future__ import annotations

from wireroom.perf.profile_boxes import MOST_BOXES, Frame, boxes_of
from wireroom.perf.profile_samples import Sampled, Spot

MAIN = Spot("thread main")
HANDLE = Spot("handle", "/usr/lib/python3/site-packages/lib/web.py", 5)
READ = Spot("read", "/usr/lib/python3/site-packages/lib/read.py", 7)
SAMPLES = (Sampled((MAIN, HANDLE, READ), 3.0), Sampled((MAIN, HANDLE), 1.0), Sampled((MAIN,), 0.5))


def test_boxes_stand_before_what_they_call_with_their_own_weight() -> None:
    """Total is with what it calls, itself without; the first box is the whole."""
    found = boxes_of(SAMPLES, "seconds")
    named = [(depth, found.frames[frame].name, total, own) for depth, frame, total, own in found.boxes]
    assert named == [
        (0, "all", 4.5, 0.0),
        (1, "thread main", 4.5, 0.5),
        (2, "handle", 4.0, 1.0),
        (3, "read", 3.0, 3.0),
    ]
    assert found.frames[3] == Frame("read", "lib/read.py:7", is_ours=False)
    assert (found.total, found.left_out) == (4.5, 0)


def test_heavier_neighbour_stands_first() -> None:
    """So that one profile and the next look alike."""
    found = boxes_of((Sampled((READ,), 1.0), Sampled((HANDLE,), 2.0)), "bytes")
    assert [found.frames[frame].name for _, frame, _, _ in found.boxes] == ["all", "handle", "read"]


def test_boxes_are_bounded_and_what_is_left_out_is_counted() -> None:
    """A profile of ten thousand functions is sent as its heaviest, each with all that it is in."""
    samples = [Sampled((MAIN, Spot(f"f{number}", "a.py", number)), 1 + number) for number in range(10_000)]
    found = boxes_of(samples, "seconds")
    assert len(found.boxes) + found.left_out == 10_002
    assert len(found.boxes) <= MOST_BOXES
    assert found.frames[1].name == "thread main"


def test_profile_without_samples_is_one_box() -> None:
    """An idle service has a flame graph of nothing."""
    assert boxes_of((), "seconds").boxes == [(0, 0, 0.0, 0.0)]


def test_very_deep_stack_is_walked() -> None:
    """A recursion of five thousand calls does not end the profile."""
    deep = tuple(Spot("again", "a.py", number) for number in range(5000))
    assert len(boxes_of((Sampled(deep, 1.0),), "seconds").boxes) <= MOST_BOXES
