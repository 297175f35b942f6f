r"""Reads what `git diff` prints, file by file. Pure.

    diff --git a/a.py b/a.py
    --- a/a.py
    +++ b/a.py
    @@ -1,2 +1,2 @@ def main():
     same
    -old
    +new

A text that was cut off is read as far as it goes.
Source: git-diff(1), "Generating patch text with -p".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_BEGIN = "diff --git "
_ESCAPED = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_OCTAL_DIGITS = 3
Status = Literal["added", "deleted", "renamed", "changed"]


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that stand together."""

    old_start: int
    """Number of the first line in the old file, from 1; 0 for a file that was not there."""
    new_start: int
    heading: str
    """What git takes for the function that the lines are in."""
    lines: Sequence[str]
    r"""Each begins with a space (same), `-` (gone), `+` (new), or `\` (a remark)."""


@dataclass(slots=True)
class FileDiff:
    """What became of one file."""

    path: str
    """Its name now, or its last one."""
    old_path: str | None = None
    """Its former name, for one that was renamed."""
    status: Status = "changed"
    is_binary: bool = False
    insertions: int = 0
    deletions: int = 0
    hunks: list[Hunk] = field(default_factory=list)


def read_diff(text: str) -> list[FileDiff]:
    """Return the files of a diff in its order."""
    lines = _Lines(text.removesuffix("\n").split("\n"))
    files: list[FileDiff] = []
    for line in lines:
        if line.startswith(_BEGIN):
            files.append(FileDiff(_path_of_both(line.removeprefix(_BEGIN))))
        elif files and (found := _HUNK.match(line)):
            _take_hunk(files[-1], found, lines)
        elif files:
            _take_header(files[-1], line)
    return files


class _Lines:
    """The lines, of which a hunk takes its own."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._next = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._next >= len(self._lines):
            raise StopIteration
        self._next += 1
        return self._lines[self._next - 1]

    def peek(self) -> str | None:
        return self._lines[self._next] if self._next < len(self._lines) else None


def _take_hunk(file: FileDiff, head: re.Match[str], lines: _Lines) -> None:
    """Take as many lines as the head says: one that looks like another head is still a line of the file."""
    old_left, new_left = int(head[2] or 1), int(head[4] or 1)
    taken: list[str] = []
    while (line := lines.peek()) is not None and (old_left > 0 or new_left > 0 or line.startswith("\\")):
        mark = line[:1]
        if mark not in {" ", "-", "+", "\\", ""}:
            break
        old_left -= mark in {" ", "-", ""}
        new_left -= mark in {" ", "+", ""}
        file.insertions += mark == "+"
        file.deletions += mark == "-"
        taken.append(next(lines) or " ")
    file.hunks.append(Hunk(int(head[1]), int(head[3]), head[5], tuple(taken)))


def _take_header(file: FileDiff, line: str) -> None:
    if line.startswith("new file mode "):
        file.status = "added"
    elif line.startswith("deleted file mode "):
        file.status = "deleted"
    elif line.startswith("rename from "):
        file.status, file.old_path = "renamed", _unquoted(line.removeprefix("rename from "))
    elif line.startswith("rename to "):
        file.path = _unquoted(line.removeprefix("rename to "))
    elif line.startswith(("--- ", "+++ ")):
        path = _unquoted(line[4:].removesuffix("\t"))
        if path != "/dev/null":
            file.path = path[2:]
    elif line.startswith("Binary files "):
        file.is_binary = True


def _path_of_both(both: str) -> str:
    """Return the path of `a/PATH b/PATH`; for a rename, whose paths differ, other lines tell it."""
    half = both[: len(both) // 2]
    return _unquoted(half)[2:]


def _unquoted(path: str) -> str:
    r"""Return a path that git put in quotes, such as `"a/tab\there"`, as it is."""
    if not (path.startswith('"') and path.endswith('"') and len(path) > 1):
        return path
    raw = bytearray()
    end = 1
    for found in _ESCAPED.finditer(path, 1, len(path) - 1):
        raw += path[end : found.start()].encode(errors="replace")
        word = found[1]
        raw.append(int(word, 8) & 255 if len(word) == _OCTAL_DIGITS else _ESCAPES[word])
        end = found.end()
    return (raw + path[end:-1].encode(errors="replace")).decode(errors="replace")
