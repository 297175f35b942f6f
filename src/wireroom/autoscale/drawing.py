"""Draws a simulation as one picture of three plots that stands alone. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from html import escape

from wireroom.autoscale.course import Course, Moment, demand
from wireroom.load.plots import Line, Point, plot

_WIDTH, _PLOT_HEIGHT, _HEAD = 720, 260, 44
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}"
    ".grid{stroke:#8c959f55}.head{font-size:14px;fill:#1f2328}"
)


def draw(course: Course, *, slots: int, remark: str) -> str:
    """Return demand, waits and workers over time as SVG.

    Args:
        course: What happened.
        slots: Jobs that a worker does at once.
        remark: A line below the title, such as what machine it was and how time was scaled.
    """
    plots = [_demand(course, slots), _waits(course), _workers(course)]
    height = _HEAD + _PLOT_HEIGHT * len(plots)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
            f"<title>Autoscaling under {escape(course.name)}</title>",
            f'<style>{_STYLE}</style><rect width="100%" height="100%" fill="#fff"/>',
            f'<text class="head" x="16" y="20">Autoscaling: {escape(course.name)}</text>',
            f'<text x="16" y="38">{escape(remark)}</text>',
            *(_placed(one, _HEAD + _PLOT_HEIGHT * number) for number, one in enumerate(plots)),
            "</svg>\n",
        ]
    )


def _placed(svg: str, y: int) -> str:
    return svg.replace("<svg ", f'<svg y="{y}" width="{_WIDTH}" height="{_PLOT_HEIGHT}" ', 1)


def _demand(course: Course, slots: int) -> str:
    asked = zip(course.moments, demand(course), strict=True)
    lines = [
        Line("demand", _lean([(moment.at, float(jobs)) for moment, jobs in asked])),
        _line("depth", course, lambda moment: moment.depth),
        _line("slots ready", course, lambda moment: slots * moment.ready),
    ]
    return plot("Demand", lines, unit="slots", axis="seconds")


def _waits(course: Course) -> str:
    lines = [
        _line("oldest waiting", course, lambda moment: moment.age),
        Line("worst of those begun", _lean(_worst(course))),
    ]
    return plot("Wait", lines, unit="seconds", axis="seconds")


def _workers(course: Course) -> str:
    lines = [
        _line("wanted", course, lambda moment: moment.replicas),
        _line("ready", course, lambda moment: moment.ready),
        _line("ending", course, lambda moment: moment.ending),
    ]
    return plot("Workers", lines, unit="processes", axis="seconds")


def _line(name: str, course: Course, value: Callable[[Moment], float]) -> Line:
    return Line(name, _lean([(moment.at, value(moment)) for moment in course.moments]))


def _lean(points: Sequence[Point]) -> list[Point]:
    """Leave out the points in the middle of a level stretch: the line is the same without them."""
    inner = zip(points, points[1:], points[2:], strict=False)
    kept = [here for before, here, after in inner if not before[1] == here[1] == after[1]]
    return [*points[:1], *kept, *points[1:][-1:]]


def _worst(course: Course) -> list[Point]:
    """Return the longest wait of the jobs begun between two moments."""
    moments = [moment.at for moment in course.moments]
    worst = [0.0] * len(moments)
    for work in course.works:
        place = min(bisect_left(moments, work.due + work.waited), len(moments) - 1)
        worst[place] = max(worst[place], work.waited)
    return list(zip(moments, worst, strict=True))
