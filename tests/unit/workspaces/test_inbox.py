"""Files that people give: named safely, kept whole or not at all, found by id only."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wireroom.errors import BadInput
from wireroom.workspaces.inbox import FOLDER, KEPT, Inbox, TooLarge, safe_name, told


async def pieces(*given_pieces: bytes) -> AsyncIterator[bytes]:
    """Give a body piece by piece."""
    for piece in given_pieces:
        yield piece


@given(st.text(max_size=400))
@example("../../etc/passwd")
@example("..")
@example("a\x00b")
@example("C:\\work\\plan.md")
@example("ü" * 300 + ".png")
def test_name_is_one_that_stays_in_its_folder(name: str) -> None:
    """Whatever a browser calls it, the file's name is a plain one, and short enough for every file system."""
    safe = safe_name(name)
    assert safe
    assert safe not in {".", ".."}
    assert not {"/", "\\", "\x00", "\n"} & set(safe)
    assert len(safe.encode()) <= 200


def test_name_keeps_what_tells_the_type() -> None:
    """A long name loses its beginning, not its end."""
    assert safe_name("x" * 300 + ".png").endswith("x.png")
    assert safe_name("/home/x/report 2.pdf") == "report 2.pdf"


async def test_file_is_kept_whole_and_found_by_its_id(tmp_path: Path) -> None:
    """Its folder is this user's alone, and the message tells where it is."""
    inbox = Inbox(tmp_path, max_bytes=100)
    kept = await inbox.keep("plan.md", pieces(b"one ", b"two"))
    assert kept.path.read_bytes() == b"one two"
    assert (kept.name, kept.size) == ("plan.md", 7)
    assert kept.path.parent.stat().st_mode & 0o777 == 0o700
    assert inbox.find([kept.id]) == [kept]
    assert told("Read this", [kept]) == f"Read this\n\nAttached files:\n- {kept.path} (7 bytes)"
    assert told("Read this", []) == "Read this"


async def test_file_that_is_too_large_leaves_nothing(tmp_path: Path) -> None:
    """The bound is counted while it arrives, and what was written is removed."""
    inbox = Inbox(tmp_path, max_bytes=10)
    with pytest.raises(TooLarge):
        await inbox.keep("big", pieces(b"x" * 8, b"x" * 8))
    assert list((tmp_path / FOLDER).iterdir()) == []


async def test_sender_who_leaves_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    """Half a file is never kept."""

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    inbox = Inbox(tmp_path, max_bytes=100)
    with pytest.raises(ConnectionResetError):
        await inbox.keep("half.txt", broken())
    assert list((tmp_path / FOLDER).iterdir()) == []


@pytest.mark.parametrize("file_id", ["", "..", "../secrets", "a" * 32, "A" * 32, "0" * 31])
def test_unknown_id_is_refused(tmp_path: Path, file_id: str) -> None:
    """No id leads anywhere but to a file that was given."""
    with pytest.raises(BadInput, match="Attach it again"):
        Inbox(tmp_path, max_bytes=100).find([file_id])


async def test_old_files_are_swept(tmp_path: Path) -> None:
    """What was given longer ago than files are kept goes; the rest stays."""
    inbox = Inbox(tmp_path, max_bytes=100)
    old, new = await inbox.keep("old", pieces(b"1")), await inbox.keep("new", pieces(b"2"))
    now = datetime.now(UTC).timestamp()
    stamp = now - KEPT.total_seconds() - 1
    os.utime(old.path.parent, (stamp, stamp))
    assert inbox.sweep(now) == 1
    assert inbox.find([new.id]) == [new]
    with pytest.raises(BadInput):
        inbox.find([old.id])


def _put(path: Path, text: str) -> None:
    path.write_text(text)


async def test_file_of_an_id_is_whole_or_not_there(tmp_path: Path) -> None:
    """What is filled has its name once it is whole; a try that fails leaves nothing, nor harms another's."""
    inbox, folder = Inbox(tmp_path, max_bytes=100), "a" * 32

    async def tea(path: Path) -> None:
        assert inbox.kept(folder) is None
        _put(path, "tea")

    async def breaks(path: Path) -> None:
        _put(path, "te")
        raise OSError("broke off")

    with pytest.raises(OSError, match="broke off"):
        await inbox.fill(folder, "a.txt", breaks)
    assert not (tmp_path / FOLDER / folder).exists()
    filled = await inbox.fill(folder, "../a.txt", tea)
    assert (filled.name, filled.size, filled.path.read_text()) == ("a.txt", 3, "tea")
    with pytest.raises(OSError, match="broke off"):
        await inbox.fill(folder, "a.txt", breaks)
    assert inbox.kept(folder) == filled
    with pytest.raises(BadInput):
        await inbox.fill("../../up", "a.txt", tea)


async def test_what_a_crash_left_unfinished_is_never_taken_for_the_file(tmp_path: Path) -> None:
    """Pieces of an earlier try are not seen, and go with the first try that succeeds."""
    inbox, folder = Inbox(tmp_path, max_bytes=100), "b" * 32
    (tmp_path / FOLDER / folder).mkdir(parents=True)
    (tmp_path / FOLDER / folder / ".piece").write_text("te")
    assert inbox.kept(folder) is None

    async def tea(path: Path) -> None:
        _put(path, "tea")

    filled = await inbox.fill(folder, "a.txt", tea)
    assert list(filled.path.parent.iterdir()) == [filled.path]
