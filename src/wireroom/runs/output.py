"""What a process wrote, within bounds: the ends in memory, all of it on disk, and its lines as text.

Knows nothing of processes; `runs.supervisor` feeds it the bytes in the order they came.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LINE_CUT = "… [line cut after {kept} of {total} bytes]"
"""Ends the text of a line that was longer than the bound."""

OMITTED = "\n… [{count} bytes omitted] …\n"
"""Stands in `Captured.text` for the middle that memory does not hold."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One stream of a finished process."""

    head: bytes
    """The first bytes."""
    tail: bytes
    """The last bytes; does not overlap the head."""
    total_bytes: int
    """All that was written, kept or not."""
    spill: Path | None = None
    """The file with the bytes from the start, when memory could not hold them all. The caller removes it."""
    spilled_bytes: int = 0
    """How many bytes the file holds; fewer than `total_bytes` when its cap was reached."""
    spill_error: str | None = None
    """Why the file is incomplete or absent, such as a full disk."""

    @property
    def is_whole(self) -> bool:
        """True when head and tail together are everything."""
        return len(self.head) + len(self.tail) == self.total_bytes

    @property
    def text(self) -> str:
        """Head and tail as text, with a mark where the middle is missing; cuts no code point."""
        if self.is_whole:
            return (self.head + self.tail).decode(errors="replace")
        head, tail = _cut_end(self.head), _cut_start(self.tail)
        count = self.total_bytes - len(head) - len(tail)
        return head.decode(errors="replace") + OMITTED.format(count=count) + tail.decode(errors="replace")


class CappedOutput:
    """Collects one stream: head and tail in memory, and a file as soon as the two do not suffice.

    The file is written in line: a chunk goes to the page cache in some ten microseconds, and a disk that is
    full ends the file, never the run.
    """

    def __init__(
        self, *, head_bytes: int, tail_bytes: int, spill_bytes: int, spill_dir: Path, name: str
    ) -> None:
        self._head_bytes = head_bytes
        self._tail_bytes = tail_bytes
        self._spill_bytes = spill_bytes
        self._spill_dir = spill_dir
        self._name = name
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0
        self._file: int | None = None
        self._path: Path | None = None
        self._spilled = 0
        self._error: str | None = None

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        fits = self._total + len(data) <= self._head_bytes + self._tail_bytes
        if not fits and self._path is None and self._error is None:
            self._open_spill()
        self._total += len(data)
        self._spill(data)
        room = self._head_bytes - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        # Cutting only at twice the size keeps the cost per byte constant.
        if len(self._tail) > 2 * self._tail_bytes:
            self._trim_tail()

    def close(self) -> Captured:
        """Close the file and return what is known."""
        self._trim_tail()
        self._close_file()
        return Captured(
            head=bytes(self._head),
            tail=bytes(self._tail),
            total_bytes=self._total,
            spill=self._path,
            spilled_bytes=self._spilled,
            spill_error=self._error,
        )

    def discard(self) -> None:
        """Close and remove the file: nobody will be told its name."""
        self._close_file()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _trim_tail(self) -> None:
        del self._tail[: max(0, len(self._tail) - self._tail_bytes)]

    def _open_spill(self) -> None:
        try:
            self._spill_dir.mkdir(parents=True, exist_ok=True)
            self._file, path = tempfile.mkstemp(prefix=f"{self._name}-", dir=self._spill_dir)
        except OSError as error:
            self._error = f"cannot spill to {self._spill_dir}: {error.strerror}"
            return
        self._path = Path(path)
        self._spill(bytes(self._head) + bytes(self._tail))

    def _spill(self, data: bytes) -> None:
        if self._file is None:
            return
        view = memoryview(data)[: self._spill_bytes - self._spilled]
        try:
            while view:
                written = os.write(self._file, view)
                self._spilled += written
                view = view[written:]
        except OSError as error:
            self._error = f"cannot write {self._path}: {error.strerror}"
            self._close_file()

    def _close_file(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class LineSplitter:
    """Cuts a stream of bytes into lines of text.

    A line ends at LF; CR before it is dropped. Bytes that are no UTF-8 become U+FFFD. Of a line longer than
    `line_bytes` the beginning is given, ending in `LINE_CUT`; the rest is skipped without being stored.
    """

    def __init__(self, line_bytes: int) -> None:
        self._line_bytes = line_bytes
        self._kept = bytearray()
        self._length = 0

    def feed(self, data: bytes) -> Iterator[str]:
        """Yield the lines that these bytes complete; exhaust it before the next call."""
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._keep(data, start, end)
            yield self._take()
            start = end + 1
        self._keep(data, start, len(data))

    def end(self) -> Iterator[str]:
        """Yield the last line if it had no line end."""
        if self._length:
            yield self._take()

    def _keep(self, data: bytes, start: int, end: int) -> None:
        room = self._line_bytes - len(self._kept)
        self._kept += data[start : min(end, start + room)]
        self._length += end - start

    def _take(self) -> str:
        line, length = bytes(self._kept), self._length
        self._kept.clear()
        self._length = 0
        if length <= len(line):
            return line.removesuffix(b"\r").decode(errors="replace")
        line = _cut_end(line)
        return line.decode(errors="replace") + LINE_CUT.format(kept=len(line), total=length)


def _cut_end(data: bytes) -> bytes:
    """Drop an unfinished UTF-8 sequence from the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:  # noqa: PLR2004 - ASCII, RFC 3629 section 3
            return data
        if byte >= 0xC0:  # noqa: PLR2004 - first byte of a sequence, RFC 3629 section 3
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)  # noqa: PLR2004 - RFC 3629 section 3
            return data if back >= length else data[:-back]
    return data


def _cut_start(data: bytes) -> bytes:
    """Drop the rest of a UTF-8 sequence from the beginning."""
    for index in range(min(3, len(data))):
        if data[index] & 0xC0 != 0x80:  # noqa: PLR2004 - no continuation byte, RFC 3629 section 3
            return data[index:]
    return data[3:]
