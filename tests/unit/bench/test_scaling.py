"""The scaling curve is told with its ratios to one worker."""

from __future__ import annotations

from bench.scaling import Point, table

from wireroom.load.knee import Step


def test_curve_tells_how_much_more_several_workers_bear() -> None:
    """Each point has its ratio to the first; what held nothing has none."""
    points = [
        Point(1, Step(100, 20.0, 40.0, 0.0, 900.0), ["p99 of answers 6,000 ms"], 0.4, clean=True),
        Point(2, Step(190, 38.0, 50.0, 0.0, 950.0), [], 0.75, clean=True),
        Point(4, None, ["1 messages without an answer"], 1.0, clean=False),
    ]
    assert table(points)[2:] == [
        "| 1 | 100 | 20 | 1.00 | 900 ms | 40% | p99 of answers 6,000 ms |",
        "| 2 | 190 | 38 | 1.90 | 950 ms | 75% | nothing that was tried |",
        "| 4 | none | | | | 100% | 1 messages without an answer |",
    ]
