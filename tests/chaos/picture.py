"""A timeline as SVG that stands alone: faults as bars, and below them lines on the same axis. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from wireroom.load.plots import nice_top

_WIDTH, _LEFT, _RIGHT = 1200, 110, 16
_TOP, _ROW, _CHART, _GAP = 34, 20, 130, 44
_COLOURS = (
    "#0969da",
    "#bc4c00",
    "#1a7f37",
    "#8250df",
    "#cf222e",
    "#57606a",
    "#9a6700",
    "#bf3989",
    "#1b7c83",
    "#4d2d00",
    "#6639ba",
    "#a40e26",
    "#0550ae",
    "#116329",
)
_TICKS = 10
_NARROWEST = 3.0
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#57606a}.grid{stroke:#d0d7de;stroke-width:.6}"
    "@media(prefers-color-scheme:dark){text{fill:#8d96a0}.grid{stroke:#3d444d}}"
)
Point = tuple[float, float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that lasted, in one of the rows."""

    row: str
    begin: float
    end: float
    kind: str
    """What decides its colour."""
    title: str


def draw(
    title: str, rows: Sequence[str], bars: Sequence[Bar], charts: Mapping[str, Mapping[str, Sequence[Point]]]
) -> str:
    """Return the picture.

    Args:
        title: The line above.
        rows: Who may have bars, from the top.
        bars: What they had, in seconds.
        charts: By unit: lines by name, (second, value); a value of None breaks the line.
    """
    ends = [bar.end for bar in bars]
    ends += [at for lines in charts.values() for points in lines.values() for at, _ in points]
    axis = _Axis(max(ends, default=1.0) or 1.0)
    kinds = list(dict.fromkeys(bar.kind for bar in bars))
    colours = {kind: _COLOURS[number % len(_COLOURS)] for number, kind in enumerate(kinds)}
    floor = _TOP + _ROW * len(rows) + 10
    height = floor + 22 + len(charts) * (_CHART + _GAP) + 16
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<text x="{_LEFT}" y="18" font-weight="600">{escape(title)}</text>',
        *_rows(rows),
        *(_bar(bar, rows.index(bar.row), axis, colours[bar.kind]) for bar in bars),
        *_legend(colours, floor + 8),
    ]
    top = floor + _GAP
    for unit, lines in charts.items():
        parts += _chart(unit, lines, axis, top)
        top += _CHART + _GAP
    return "\n".join([*parts, *axis.ticks(height - 6), "</svg>"]) + "\n"


@dataclass(frozen=True, slots=True)
class _Axis:
    last: float

    def x(self, at: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * at / self.last

    def ticks(self, y: float) -> Iterator[str]:
        for number in range(_TICKS + 1):
            at = self.last * number / _TICKS
            yield f'<text x="{self.x(at):.1f}" y="{y}" text-anchor="middle">{at:.0f} s</text>'


def _rows(rows: Sequence[str]) -> Iterator[str]:
    for number, row in enumerate(rows):
        y = _TOP + _ROW * (number + 1)
        yield f'<text x="{_LEFT - 8}" y="{y - 5}" text-anchor="end">{escape(row)}</text>'
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'


def _bar(bar: Bar, row: int, axis: _Axis, colour: str) -> str:
    x, y = axis.x(bar.begin), _TOP + _ROW * row + 3
    width = max(_NARROWEST, axis.x(bar.end) - x)
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 6}" rx="2" fill="{colour}">'
        f"<title>{escape(bar.title)}</title></rect>"
    )


def _legend(colours: Mapping[str, str], y: float) -> Iterator[str]:
    x = float(_LEFT)
    for name, colour in colours.items():
        yield f'<text x="{x:.0f}" y="{y}" style="fill:{colour};font-size:11px">{escape(name)}</text>'
        x += 6.2 * len(name) + 14


def _chart(unit: str, lines: Mapping[str, Sequence[Point]], axis: _Axis, top: float) -> Iterator[str]:
    values = [value for points in lines.values() for _, value in points if value is not None]
    most = nice_top(max(values, default=1.0))
    for share in (0.0, 0.5, 1.0):
        y = top + _CHART * (1 - share)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y}" y2="{y}"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{most * share:.6g}</text>'
    yield f'<text x="{_LEFT - 8}" y="{top - 8}" text-anchor="end">{escape(unit)}</text>'
    colours = dict(zip(lines, _COLOURS, strict=False))
    yield from _legend(colours, top - 8)
    for name, points in lines.items():
        for piece in _pieces(points):
            places = " ".join(
                f"{axis.x(at):.1f},{top + _CHART * (1 - value / most):.1f}" for at, value in piece
            )
            yield f'<polyline fill="none" stroke="{colours[name]}" stroke-width="1.5" points="{places}"/>'


def _pieces(points: Sequence[Point]) -> Iterator[list[tuple[float, float]]]:
    piece: list[tuple[float, float]] = []
    for at, value in points:
        if value is not None:
            piece.append((at, value))
        elif piece:
            yield piece
            piece = []
    if piece:
        yield piece
