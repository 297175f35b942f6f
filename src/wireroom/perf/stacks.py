"""Lines of code as people read them, and which of them are ours: `intake/accept.py:81 accept`.

Everything that names a place uses this module: blocked loops, profiles, allocations, repeated statements.
"""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import PurePath
from types import CodeType, FrameType

DEEPEST = 100
"""Most lines of one stack; the innermost are kept."""

Line = tuple[CodeType, int]
"""A function's code, and the number of the line that is at work in it."""

_PACKAGE = str(PurePath(__file__).parents[1]) + "/"
_STANDARD = tuple({sysconfig.get_path(name) + "/" for name in ("stdlib", "platstdlib")})


def stack_of(frame: FrameType | None) -> tuple[Line, ...]:
    """Return the lines at work from this frame outwards, the outermost first."""
    lines: list[Line] = []
    while frame is not None and len(lines) < DEEPEST:
        lines.append((frame.f_code, frame.f_lineno))
        frame = frame.f_back
    lines.reverse()
    return tuple(lines)


def stack_of_thread(ident: int) -> tuple[Line, ...]:
    """Return the lines at work in a thread now; nothing for one that is gone."""
    return stack_of(sys._current_frames().get(ident))  # noqa: SLF001 - documented, and the only way


def show(line: Line) -> str:
    """Return `runs/queries.py:40 list_runs`: file below its package, line, qualified name. Pure."""
    code, number = line
    return f"{short_file(code.co_filename)}:{number} {code.co_qualname}"


def show_all(stack: Iterable[Line]) -> tuple[str, ...]:
    """Return every line of the stack as `show` does. Pure."""
    return tuple(show(line) for line in stack)


def place_of(stack: Sequence[Line]) -> str:
    """Return the innermost line that is ours, empty when none is. Pure."""
    return next((show(line) for line in reversed(stack) if is_ours(line[0].co_filename)), "")


@lru_cache(4096)
def is_ours(filename: str) -> bool:
    """Tell whether the file is Wireroom's, or of somebody's who runs it: neither library nor interpreter."""
    if filename.startswith(_PACKAGE):
        return not filename.startswith("testing/", len(_PACKAGE))
    return not (filename.startswith(("<", *_STANDARD)) or "/site-packages/" in filename)


@lru_cache(4096)
def short_file(filename: str) -> str:
    """Return the file from its package on: `intake/accept.py`, `sqlalchemy/engine/base.py`. Pure."""
    if filename.startswith(_PACKAGE):
        return filename[len(_PACKAGE) :]
    _, found, below = filename.rpartition("/site-packages/")
    if found:
        return below
    for root in _STANDARD:
        if filename.startswith(root):
            return filename[len(root) :]
    return "/".join(PurePath(filename).parts[-2:])
