"""Profiles as figures, as a file for speedscope, and as a page."""

from __future__ import annotations

import re

import pytest

from wireroom.perf.profile_flame import SCRIPT_SOURCE, flame_page, in_unit, speedscope
from wireroom.perf.profile_pyspy import read_raw
from wireroom.perf.profile_samples import Hot, Sampled, Spot, by_root, hottest

OURS = Spot("accept", "/home/me/wire/accept.py", 10)
LIBRARY = Spot("dumps", "/x/site-packages/fast/json.py", 5)
LOOP = Spot("loop watch")
SAMPLES = (
    Sampled((LOOP, OURS, LIBRARY), 2.0),
    Sampled((LOOP, OURS), 1.0),
    Sampled((Spot("<b>&"), LIBRARY), 0.5),
)


def test_hottest_counts_a_function_itself_and_with_its_callees() -> None:
    """Weight goes to where a stack ends; among ours, to the innermost of ours."""
    assert hottest(SAMPLES, 1) == [Hot("dumps fast/json.py:5", 2.5, 2.5)]
    assert hottest(SAMPLES, 5, only_ours=True) == [Hot("accept wire/accept.py:10", 3.0, 3.0)]


def test_recursion_counts_once() -> None:
    """A function that is in a stack twice has its weight once."""
    assert hottest([Sampled((OURS, OURS), 1.0)], 1) == [Hot("accept wire/accept.py:10", 1.0, 1.0)]


def test_roots_are_sorted_by_weight() -> None:
    """Each thread or task has the weight of its stacks."""
    assert by_root(SAMPLES) == {"loop watch": 3.0, "<b>&": 0.5}


def test_speedscope_file_refers_to_each_frame_once() -> None:
    """Stacks are indexes of shared frames, with one weight each."""
    made = speedscope(SAMPLES, name="x", unit="seconds")
    (profile,) = made["profiles"]

    assert made["shared"]["frames"][:2] == [
        {"name": "loop watch"},
        {"name": "accept", "file": "/home/me/wire/accept.py", "line": 10},
    ]
    assert profile["samples"] == [[0, 1, 2], [0, 1], [3, 2]]
    assert profile["weights"] == [2.0, 1.0, 0.5]
    assert profile["endValue"] == 3.5


def test_flame_page_stands_alone_and_escapes_names() -> None:
    """The page loads nothing, shows what it was given as text, and its script is the one that is allowed."""
    page = flame_page(SAMPLES, title="cpu", unit="seconds", facts={"period": "<10> s"})

    assert "<b>&" not in page
    assert "&lt;b&gt;&amp;" in page
    assert "&lt;10&gt; s" in page
    assert not re.search(r"(src|href)=", page)
    assert page.count("<script>") == 1
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", SCRIPT_SOURCE)
    widths = re.findall(r'data-l="([0-9.]+)" data-w="([0-9.]+)"', page)
    assert ("0.00000", "1.00000") in widths
    assert ("0.85714", "0.14286") in widths


def test_flame_page_of_nothing_is_a_page() -> None:
    """A period in which nothing happened has a picture, too."""
    assert "</html>" in flame_page([], title="cpu", unit="bytes", facts={})


@pytest.mark.parametrize(
    ("weight", "unit", "shown"),
    [
        (1.234, "seconds", "1.23 s"),
        (0.0123, "seconds", "12 ms"),
        (3 * 2**20, "bytes", "3.0 MiB"),
        (7, "bytes", "7 B"),
    ],
)
def test_weights_are_shown_in_their_unit(weight: float, unit: str, shown: str) -> None:
    """Seconds and bytes are shown as people read them."""
    assert in_unit(weight, "seconds" if unit == "seconds" else "bytes") == shown


def test_raw_lines_of_py_spy_become_samples() -> None:
    """Threads, functions with spaces or brackets in them, and odd lines are understood."""
    text = (
        "thread (0x7F1): MainThread;run (/usr/lib/asyncio/runners.py:118);<lambda> (/srv/a b (c)/x.py:3) 17\n"
        "thread (0x7F2): writer;0x7f31 3\n"
        "odd\n"
    )

    first, second = read_raw(text, 100)

    assert first.weight == 0.17
    assert first.spots[1:] == (
        Spot("run", "/usr/lib/asyncio/runners.py", 118),
        Spot("<lambda>", "/srv/a b (c)/x.py", 3),
    )
    assert second.spots == (Spot("thread (0x7F2): writer"), Spot("0x7f31"))
