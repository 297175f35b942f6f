"""Who asked the store for what it is doing now: the innermost lines of ours that are not the store's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from wireroom.perf.stacks import Line, is_ours, show

_PACKAGE = str(Path(__file__).parents[1]) + "/"
_PASSED_OVER = (_PACKAGE + "store/", _PACKAGE + "perf/")


def place_on_stack() -> str:
    """Return where the rooms asked, as `stacks.show` puts it; empty when no line is theirs."""
    return next((show(line) for line in lines_on_stack(1)), "")


def lines_on_stack(most: int) -> Sequence[Line]:
    """Return the innermost lines of the rooms on this thread's stack, at most so many, innermost first.

    They are not put into words, which costs more than most of what is watched.
    """
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - `inspect` reads source files for each frame
    found: list[Line] = []
    while frame is not None and len(found) < most:
        path = frame.f_code.co_filename
        if not path.startswith(_PASSED_OVER) and is_ours(path):
            found.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return found
