"""Tables for a narrow screen: aligned columns while they fit a phone, else one small block per row."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

PHONE_COLUMNS = 40
"""Monospace columns that a phone held upright shows without wrapping."""

Rows = Sequence[Sequence[str]]


def display_width(text: str) -> int:
    """Return how many monospace columns the text takes: wide characters two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_character_width(character) for character in text)


def _character_width(character: str) -> int:
    if unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def fits_phone(rows: Rows) -> bool:
    """Return whether aligned columns are readable on a phone."""
    widths = _column_widths(rows)
    return sum(widths) + 2 * (len(widths) - 1) <= PHONE_COLUMNS


def aligned(rows: Rows, right: Sequence[bool]) -> str:
    """Return the table as aligned columns, the header underlined.

    Args:
        rows: The header first; a row may be short.
        right: By column, whether its cells stand at the right.
    """
    widths = _column_widths(rows)
    header, *body = [_line(row, widths, right) for row in rows]
    rule = "  ".join("─" * width for width in widths)
    return "\n".join([header, rule, *body]) if body else header


def records(rows: Rows) -> list[list[tuple[str, str]]]:
    """Return each row after the header as (header, cell) pairs without the empty cells."""
    header, *body = rows
    if not body:
        return [[("", cell) for cell in header if cell]]
    named = [
        [(header[i] if i < len(header) else "", cell) for i, cell in enumerate(row) if cell] for row in body
    ]
    return [record for record in named if record]


def _column_widths(rows: Rows) -> list[int]:
    columns = max((len(row) for row in rows), default=0)
    return [max(display_width(row[i]) if i < len(row) else 0 for row in rows) for i in range(columns)]


def _line(row: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = []
    for i, width in enumerate(widths):
        cell = row[i] if i < len(row) else ""
        space = " " * (width - display_width(cell))
        cells.append(space + cell if i < len(right) and right[i] else cell + space)
    return "  ".join(cells).rstrip()
