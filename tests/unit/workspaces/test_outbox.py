"""What comes back of the files that an agent leaves: each once, no link, a bounded number."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from wireroom.workspaces import outbox
from wireroom.workspaces.inbox import KEPT
from wireroom.workspaces.outbox import DOCUMENT_BYTES, MOST_FILES, PHOTO_BYTES, Outbox

JPEG = b"\xff\xd8\xff\xe0"


@pytest.fixture
def box(tmp_path: Path) -> Outbox:
    """Lend an outbox."""
    return Outbox(tmp_path)


def test_files_are_taken_once_with_what_tells_them_apart(box: Outbox) -> None:
    """A file has its place, digest, name and kind; what was taken is not there for the next run."""
    folder = box.folder("c")
    (folder / "b.jpg").write_bytes(JPEG)
    (folder / "sub").mkdir()
    (folder / "sub" / "a.txt").write_text("tea")
    text, photo = box.take("c", "r1").files
    assert (text.name, text.size, text.image_type) == ("a.txt", 3, None)
    assert text.digest == hashlib.sha256(b"tea").hexdigest()
    assert (photo.name, photo.image_type, Path(photo.path).read_bytes()) == ("b.jpg", "image/jpeg", JPEG)
    assert box.take("c", "r2") == outbox.Left()


def test_what_a_crash_took_is_found_by_the_next_attempt(box: Outbox) -> None:
    """Taken again for the same run, files are the same; of one name there is one, the newest."""
    folder = box.folder("c")
    (folder / "a.txt").write_text("old")
    (folder / "b.txt").write_text("b")
    box.take("c", "r")
    (folder / "a.txt").write_text("new")
    again = box.take("c", "r")
    assert [Path(file.path).read_text() for file in again.files].count("new") == 1
    assert len(again.files) == 2


def test_links_and_what_is_no_file_are_never_taken(box: Outbox, tmp_path: Path) -> None:
    """A link to a file or a folder, a pipe and an empty file are told of, once, and not sent."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("secret")
    folder = box.folder("c")
    (folder / "key").symlink_to(tmp_path / "secrets" / "key")
    (folder / "all").symlink_to(tmp_path / "secrets")
    os.mkfifo(folder / "pipe")
    (folder / "empty").touch()
    left = box.take("c", "r")
    assert left.files == ()
    assert [problem.split()[0] for problem in left.problems] == ["all", "empty", "key", "pipe"]
    assert box.take("c", "r2") == outbox.Left()
    assert (tmp_path / "secrets" / "key").read_text() == "secret"


def test_a_bounded_number_comes_back_and_the_others_next_time(box: Outbox) -> None:
    """More than ten files are not lost: the rest waits for the next answer."""
    folder = box.folder("c")
    for number in range(MOST_FILES + 2):
        (folder / f"{number:02}.txt").write_text("x")
    left = box.take("c", "r1")
    assert len(left.files) == MOST_FILES
    assert [problem.split()[0] for problem in left.problems] == ["10.txt", "11.txt"]
    assert len(box.take("c", "r1").files) == MOST_FILES
    assert [file.name for file in box.take("c", "r2").files] == ["10.txt", "11.txt"]


def test_sizes_decide_what_a_file_is_sent_as(box: Outbox) -> None:
    """A large picture is a document; what no bot may send is put aside and said where."""
    folder = box.folder("c")
    for name, size in (
        ("photo.jpg", PHOTO_BYTES),
        ("large.jpg", PHOTO_BYTES + 1),
        ("huge.bin", DOCUMENT_BYTES + 1),
    ):
        with (folder / name).open("wb") as file:
            file.write(JPEG)
            file.truncate(size)
    left = box.take("c", "r")
    assert {file.name: file.image_type for file in left.files} == {
        "large.jpg": None,
        "photo.jpg": "image/jpeg",
    }
    (problem,) = left.problems
    assert "50 MB" in problem
    assert Path(problem.rpartition("lies at ")[2].rstrip(".")).stat().st_size == DOCUMENT_BYTES + 1
    assert box.take("c", "r2") == outbox.Left()


@pytest.mark.parametrize("name", ["../../up", "", "a/b", ".hidden", "x" * 300])
def test_no_id_leads_out_of_the_folder(box: Outbox, tmp_path: Path, name: str) -> None:
    """Whatever a conversation is called, its folder is one below the outbox."""
    assert box.folder(name).parent == tmp_path / "outbox"


def test_what_was_sent_long_ago_is_removed(box: Outbox) -> None:
    """Files are kept as long as those that people gave, so that a delivery can be tried again."""
    (box.folder("c") / "a.txt").write_text("tea")
    (file,) = box.take("c", "r").files
    place = Path(file.path).parent.parent
    now = place.stat().st_mtime
    assert box.sweep(now + KEPT.total_seconds() - 1) == 0
    assert box.sweep(now + KEPT.total_seconds() + 1) == 1
    assert not place.exists()


def test_the_agent_is_told_where(tmp_path: Path) -> None:
    """The note names the folder."""
    assert f"put them into {tmp_path}. What" in outbox.note(tmp_path)
