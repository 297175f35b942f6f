"""Bytes of a process: ends in memory, all on disk, lines as text."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wireroom.runs.output import CappedOutput, LineSplitter


def _split(data: bytes, sizes: list[int], line_bytes: int = 1000) -> list[str]:
    splitter = LineSplitter(line_bytes)
    lines: list[str] = []
    for size in sizes:
        lines += splitter.feed(data[:size])
        data = data[size:]
    return [*lines, *splitter.feed(data), *splitter.end()]


@given(text=st.text(), sizes=st.lists(st.integers(0, 20)))
def test_splitter_gives_the_same_lines_however_the_bytes_arrive(text: str, sizes: list[int]) -> None:
    """No cut between two reads breaks a code point or a line."""
    lines = _split(text.encode(), sizes)
    assert lines == _split(text.encode(), [])
    expected = [line.removesuffix("\r") for line in text.split("\n")]
    assert lines == (expected if text and not text.endswith("\n") else expected[:-1])


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n\nb\n", ["a", "", "b"]),
        (b"a\r\nb", ["a", "b"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        ("ěěěě\n".encode(), ["ěě… [line cut after 4 of 8 bytes]"]),
        ("a" + "🐎" * 3, ["a🐎… [line cut after 5 of 13 bytes]"]),
    ],
    ids=["empty", "blank-line", "crlf", "no-utf8", "cut-two-byte", "cut-four-byte"],
)
def test_splitter_reads_odd_lines(data: bytes | str, lines: list[str]) -> None:
    """Line ends, foreign bytes and lines over the bound of five bytes."""
    raw = data.encode() if isinstance(data, str) else data
    assert _split(raw, [1, 2, 1], line_bytes=5) == lines


def _collect(tmp_path: Path, pieces: list[bytes], *, spill_bytes: int = 10_000) -> CappedOutput:
    output = CappedOutput(head_bytes=8, tail_bytes=8, spill_bytes=spill_bytes, spill_dir=tmp_path, name="out")
    for piece in pieces:
        output.add(piece)
    return output


@given(pieces=st.lists(st.binary(max_size=30)))
def test_output_keeps_both_ends_and_spills_the_whole(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    """Head and tail are the ends of the stream, the file is all of it, and small output makes no file."""
    whole = b"".join(pieces)
    captured = _collect(tmp_path_factory.mktemp("spill"), pieces).close()
    assert captured.total_bytes == len(whole)
    assert captured.head == whole[:8]
    assert captured.tail == whole[8:][-8:]
    if captured.spill is None:
        assert captured.head + captured.tail == whole
    else:
        assert captured.spill.read_bytes() == whole
        assert not captured.is_whole


def test_output_text_marks_the_gap_without_broken_code_points(tmp_path: Path) -> None:
    """The text says how much is missing and has no replacement characters at the cuts."""
    whole = "ě🐎" * 20
    captured = _collect(tmp_path, [whole.encode()]).close()
    head, gap, tail = captured.text.split("\n")
    assert (head, tail) == ("ě🐎ě", "ě🐎")
    assert gap == f"… [{120 - 8 - 6} bytes omitted] …"


def test_output_stops_at_the_cap_of_its_file(tmp_path: Path) -> None:
    """The file ends at its cap, the count goes on."""
    captured = _collect(tmp_path, [b"x" * 100] * 10, spill_bytes=250).close()
    assert captured.spill is not None
    assert (captured.spill.stat().st_size, captured.total_bytes) == (250, 1000)


def test_output_discarded_leaves_no_file(tmp_path: Path) -> None:
    """Output that nobody will read is removed."""
    _collect(tmp_path, [b"x" * 100]).discard()
    assert list(tmp_path.iterdir()) == []
