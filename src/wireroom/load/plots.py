"""Lines over a common axis, as SVG that stands in a page of its own. Pure.

A small module, because a report must open anywhere, for years, without a script or a font from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 36, 40
_COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#cf222e", "#57606a")
_TICKS = 5
Point = tuple[float, float | None]
"""A place on the axis and its value; None where there is none, which breaks the line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot."""

    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a word, such as where the knee is."""

    at: float
    name: str


def plot(title: str, lines: Sequence[Line], *, unit: str, axis: str, marks: Sequence[Mark] = ()) -> str:
    """Return a plot; without a value to show, an empty text.

    Args:
        title: What is shown.
        lines: Their points in rising order.
        unit: Of the values.
        axis: What the axis is, such as `seconds`.
        marks: What to point at.
    """
    shown = [line for line in lines if any(value is not None for _, value in line.points)]
    if not shown:
        return ""
    places = [place for line in shown for place, _ in line.points]
    frame = _Frame(min(places), max(places), nice_top(_most(shown)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        *frame.grid(),
        f'<text class="axis" x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">{escape(axis)}</text>',
        f'<text class="axis" x="{_LEFT}" y="14">{escape(title)}, {escape(unit)}</text>',
        *(frame.mark(mark) for mark in marks),
        *(frame.line(line, _COLOURS[number % len(_COLOURS)]) for number, line in enumerate(shown)),
        *_legend(shown),
        "</svg>",
    ]
    return "\n".join(parts)


def nice_top(most: float) -> float:
    """Return a round number that is at least the greatest value, in which five ticks are round, too."""
    if most <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(most))
    return next(size * step for step in (1, 1.5, 2, 2.5, 3, 4, 5, 7.5, 10) if size * step >= most * 0.999)


def _most(lines: Sequence[Line]) -> float:
    return max(value for line in lines for _, value in line.points if value is not None)


@dataclass(frozen=True, slots=True)
class _Frame:
    first: float
    last: float
    top: float

    def x(self, place: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (place - self.first) / ((self.last - self.first) or 1.0)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * min(value, self.top) / self.top

    def grid(self) -> list[str]:
        parts = []
        for number in range(_TICKS + 1):
            value = self.top * number / _TICKS
            place = self.first + (self.last - self.first) * number / _TICKS
            y = self.y(value)
            parts.append(
                f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            )
            parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.6g}</text>')
            parts.append(
                f'<text x="{self.x(place):.1f}" y="{_HEIGHT - 22}" text-anchor="middle">{place:,.0f}</text>'
            )
        return parts

    def mark(self, mark: Mark) -> str:
        x = self.x(mark.at)
        line = f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
        return f'{line}<text x="{x - 4:.1f}" y="{_TOP + 12}" text-anchor="end">{escape(mark.name)}</text>'

    def line(self, line: Line, colour: str) -> str:
        pieces: list[list[str]] = [[]]
        for place, value in line.points:
            if value is None:
                pieces.append([])
            else:
                pieces[-1].append(f"{self.x(place):.1f},{self.y(value):.1f}")
        return "".join(_drawn(piece, colour) for piece in pieces if piece)


def _drawn(places: Sequence[str], colour: str) -> str:
    if len(places) == 1:
        x, y = places[0].split(",")
        return f'<circle cx="{x}" cy="{y}" r="2.5" fill="{colour}"/>'
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{" ".join(places)}"/>'


def _legend(lines: Sequence[Line]) -> list[str]:
    parts, x = [], float(_LEFT)
    for number, line in enumerate(lines):
        colour = _COLOURS[number % len(_COLOURS)]
        parts.append(
            f'<text fill="{colour}" style="fill:{colour}" x="{x:.0f}" y="30">{escape(line.name)}</text>'
        )
        x += 7.5 * len(line.name) + 20
    return parts
