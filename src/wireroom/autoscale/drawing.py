"""Draws a simulation as one picture of three plots that stands alone. Pure."""

from __future__ import annotations

from html import escape

from wireroom.autoscale.course import Course, demand
from wireroom.load.plots import Line, plot

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
    moments = course.moments
    lines = [
        Line("demand", [(m.at, float(slots)) for m, slots in zip(moments, demand(course), strict=True)]),
        Line("depth", [(m.at, m.depth) for m in moments]),
        Line("slots ready", [(m.at, float(slots * m.ready)) for m in moments]),
    ]
    return plot("Demand", lines, unit="slots", axis="seconds")


def _waits(course: Course) -> str:
    lines = [
        Line("oldest waiting", [(m.at, m.age) for m in course.moments]),
        Line("worst of those begun", _worst(course)),
    ]
    return plot("Wait", lines, unit="seconds", axis="seconds")


def _worst(course: Course) -> list[tuple[float, float | None]]:
    """Return the longest wait of the jobs begun between two moments."""
    moments = [moment.at for moment in course.moments]
    worst = dict.fromkeys(moments, 0.0)
    ends = sorted((work.due + work.waited, work.waited) for work in course.works)
    place = 0
    for begun, waited in ends:
        while place < len(moments) - 1 and moments[place] < begun:
            place += 1
        worst[moments[place]] = max(worst[moments[place]], waited)
    return [(at, value) for at, value in worst.items()]


def _workers(course: Course) -> str:
    moments = course.moments
    lines = [
        Line("wanted", [(m.at, float(m.replicas)) for m in moments]),
        Line("ready", [(m.at, float(m.ready)) for m in moments]),
        Line("ending", [(m.at, float(m.ending)) for m in moments]),
    ]
    return plot("Workers", lines, unit="processes", axis="seconds")
