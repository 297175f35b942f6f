"""The cursor of the page's stream: a reader that may be cut off anywhere gets each line exactly once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.api.chat_cursor import OVERLAP_MS, Cursor, Standing, first_cursor, parse_cursor, settle
from wireroom.errors import BadInput


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1|", "1|a", "1|a=", "1|a=-1", "1|a=1|", "1|a b=1", "1|=1", "1\n", "\u0661", "9" * 16],
)
def test_cursor_of_another_form_is_refused(text: str) -> None:
    """A cursor that we did not make is bad input, not a crash and not a silent restart."""
    with pytest.raises(BadInput):
        parse_cursor(text)


def test_cursor_survives_being_written_and_read() -> None:
    """The text holds all that the cursor knows."""
    cursor = Cursor(1763769240000, {"run-19a-1": 17, "run:b.c": 0})
    assert parse_cursor(str(cursor)) == cursor


def test_first_cursor_follows_open_runs_from_their_start() -> None:
    """Logs of open runs come by the stream, those of ended ones are left to the run's own route."""
    runs = [Standing("old", 100_000, 5, is_final=True), Standing("open", 101_000, 3, is_final=False)]
    assert first_cursor(runs) == Cursor(101_000 - OVERLAP_MS, {"old": 5})


def test_settled_runs_leave_the_cursor_once_they_are_old() -> None:
    """The cursor stays short however long the lane is used."""
    runs = [Standing(f"run-{n}", n * OVERLAP_MS, 2, is_final=True) for n in range(100)]
    cursor = settle(runs, {run.run_id: 2 for run in runs})
    assert cursor == Cursor(98 * OVERLAP_MS, {"run-98": 2, "run-99": 2})


class Lane:
    """A model of the lane's rows, and of a reader that keeps nothing but the text of its cursor."""

    def __init__(self) -> None:
        self.runs: dict[str, Standing] = {}
        self.received: dict[str, list[int]] = {}
        self.cursor_text = str(Cursor())
        self.now = 1_000_000

    def add(self, skew_ms: int) -> None:
        """Store a run by a clock that is behind."""
        self.now += 700
        run_id = f"run-{len(self.runs)}"
        self.runs[run_id] = Standing(run_id, self.now - skew_ms, 0, is_final=False)

    def log(self, pick: int, *, end: bool) -> None:
        """Add an event to an open run, maybe its last."""
        open_runs = [run for run in self.runs.values() if not run.is_final]
        if open_runs:
            run = open_runs[pick % len(open_runs)]
            self.runs[run.run_id] = Standing(run.run_id, run.queued_at, run.event_count + 1, is_final=end)

    def read(self, room: int, *, lost: bool) -> None:
        """Take one message of at most `room` lines; a lost one changes nothing."""
        cursor = parse_cursor(self.cursor_text)
        watched = [run for run in self.runs.values() if run.queued_at >= cursor.since_ms]
        sent = dict(cursor.sent)
        lines: list[tuple[str, int]] = []
        for run in watched:
            after = sent.get(run.run_id, 0)
            fresh = range(after + 1, min(run.event_count, after + room - len(lines)) + 1)
            lines += [(run.run_id, seq) for seq in fresh]
            if after + len(fresh) or run.is_final:
                sent[run.run_id] = after + len(fresh)
        if lost:
            return
        self.cursor_text = str(settle(watched, sent))
        for run_id, seq in lines:
            self.received.setdefault(run_id, []).append(seq)


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, OVERLAP_MS - 1)),
            st.tuples(st.just("log"), st.integers(0, 9)),
            st.tuples(st.just("end"), st.integers(0, 9)),
            st.tuples(st.just("read"), st.integers(1, 3)),
            st.tuples(st.just("lose"), st.integers(1, 3)),
        ),
        max_size=60,
    )
)
def test_reader_gets_every_line_once_whatever_is_lost(steps: list[tuple[str, int]]) -> None:
    """Messages may be cut, lost and short, clocks be behind: nothing is missed or comes twice."""
    lane = Lane()
    for what, number in steps:
        if what == "add":
            lane.add(number)
        elif what in {"log", "end"}:
            lane.log(number, end=what == "end")
        else:
            lane.read(number, lost=what == "lose")
    for _ in range(200):
        lane.read(3, lost=False)
    expected = {run.run_id: list(range(1, run.event_count + 1)) for run in lane.runs.values()}
    assert {run_id: lane.received.get(run_id, []) for run_id in expected} == expected
