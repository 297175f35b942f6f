"""Keeps a caller's path inside a folder, links included, and opens files so that no swapped link leads out.

A path is what a caller names, relative and with `/` between its parts. What a link leads to counts, not how
the link is called; who is led outside learns only that there is nothing.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wireroom.errors import BadInput, NotFound

_LONGEST_PATH = 4096


def parts_of(relative: str) -> tuple[str, ...]:
    """Return the parts of a relative path; none for the folder itself. Pure.

    `a//b`, `./a/b` and `a/b/` are `a/b`; percent signs are part of a name, decoding is the server's matter.

    Raises:
        BadInput: it is absolute, climbs with `..`, is too long, or holds a character that no file name has.
    """
    if len(relative) > _LONGEST_PATH or "\0" in relative or _is_unnameable(relative):
        raise BadInput("The path is longer than a path can be, or holds a character that no name has.")
    if relative.startswith("/"):
        raise BadInput(f"{relative!r} is absolute. Give the path from the folder that it is in.")
    parts = tuple(part for part in relative.split("/") if part not in {"", "."})
    if ".." in parts:
        raise BadInput(f"{relative!r} climbs out of its folder. Give the path without `..`.")
    return parts


def resolve_inside(root: Path, relative: str) -> Path:
    """Return the existing file or folder that the path means below `root`, all links followed.

    Raises:
        BadInput: see `parts_of`.
        NotFound: nothing is there, or a link leads outside, in a circle or nowhere.
    """
    wanted = root.joinpath(*parts_of(relative))
    try:
        base, found = root.resolve(strict=True), wanted.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        # Python 3.11 and 3.12 tell of a circle of links by RuntimeError.
        raise NotFound(f"There is no {relative or 'such folder'}.") from error
    if not found.is_relative_to(base):
        raise NotFound(f"There is no {relative}.")
    return found


def open_inside(root: Path, inside: Path) -> int:
    """Open a regular file for reading and return its descriptor, which the caller closes.

    Every part is opened from the one before, and none may be a link: what was swapped since `resolve_inside`
    is not followed.

    Args:
        root: Resolved folder.
        inside: What `resolve_inside` returned for it.

    Raises:
        NotFound: it is gone, no regular file, may not be read, or has become a link.
    """
    *folders, name = inside.relative_to(root).parts or (".",)
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        for folder in folders:
            descriptor = _step(descriptor, folder, os.O_DIRECTORY)
        # Without O_NONBLOCK a named pipe would hold us until somebody writes to it.
        descriptor = _step(descriptor, name, os.O_NONBLOCK)
    except OSError as error:
        raise NotFound(f"{inside.name} cannot be read.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotFound(f"{inside.name} is no file.")
    return descriptor


def _step(descriptor: int, name: str, flags: int) -> int:
    """Open `name` in the folder of the descriptor, which is closed."""
    try:
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | flags, dir_fd=descriptor)
    finally:
        os.close(descriptor)


def _is_unnameable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return True
    return False
