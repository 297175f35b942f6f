"""Which files of a chat are taken, how an album grows, and what an agent is told of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from wireroom.workspaces.file_kinds import image_type, program_kind
from wireroom.workspaces.given import (
    LOCAL_BYTES,
    MEGABYTE,
    ChatFile,
    FileLimits,
    GivenFiles,
    folder_of,
    joined,
    prompt_with,
    refusal,
    refusal_of_content,
)
from wireroom.workspaces.inbox import GivenFile

LIMITS = FileLimits(refused=frozenset({"exe", "elf"}))


def file(name: str = "a.txt", size: int | None = 5, number: int = 1) -> ChatFile:
    """Return a file of that name."""
    return ChatFile(f"F{number}", f"U{number}", name, size, number)


@pytest.mark.parametrize(
    ("given", "limits", "says"),
    [
        pytest.param(file(), LIMITS, None, id="small"),
        pytest.param(file(size=20 * MEGABYTE), LIMITS, None, id="just-small-enough"),
        pytest.param(file(size=20 * MEGABYTE + 1), LIMITS, "20 MB that Telegram gives to bots", id="large"),
        pytest.param(file(size=None), LIMITS, None, id="unknown-size"),
        pytest.param(file("A.EXE"), LIMITS, "of the kind exe are refused", id="kind"),
        pytest.param(file("exe"), LIMITS, None, id="no-suffix"),
        pytest.param(
            file(size=LOCAL_BYTES + 1), FileLimits(LOCAL_BYTES), "larger than the 2000 MB.", id="local"
        ),
    ],
)
def test_refusals_are_told_in_words(given: ChatFile, limits: FileLimits, says: str | None) -> None:
    """Size and name decide before anything is asked; the words say which limit."""
    told = refusal(given, limits)
    assert (told is None) if says is None else says in (told or "")


@pytest.mark.parametrize(
    ("head", "kind", "picture"),
    [
        pytest.param(b"MZ\x90\0", "exe", None, id="windows"),
        pytest.param(b"\x7fELF\x02", "elf", None, id="linux"),
        pytest.param(b"\xcf\xfa\xed\xfe", "macho", None, id="macos"),
        pytest.param(b"\xff\xd8\xff\xe0", None, "image/jpeg", id="jpeg"),
        pytest.param(b"\x89PNG\r\n\x1a\n", None, "image/png", id="png"),
        pytest.param(b"RIFF\0\0\0\0WEBP", None, "image/webp", id="webp"),
        pytest.param(b"RIFF\0\0\0\0WAVE", None, None, id="wave"),
        pytest.param(b"", None, None, id="empty"),
    ],
)
def test_kinds_are_told_by_content(head: bytes, kind: str | None, picture: str | None) -> None:
    """The first bytes decide, whatever the file is called; a refused kind is refused under any name."""
    assert (program_kind(head), image_type(head)) == (kind, picture)
    refused = refusal_of_content(file("harmless.txt"), head, LIMITS)
    assert (refused is not None) == (kind in {"exe", "elf"})


def test_album_grows_in_the_order_of_its_messages() -> None:
    """Pieces may come in any order, and twice; captions are kept, the last piece sets the wait."""
    first = GivenFiles((file("b", number=2),), due_ms=100)
    whole = joined(joined(first, GivenFiles((file("a", number=1),), "Compare", 300)), first)
    assert [one.name for one in whole.files] == ["a", "b"]
    assert (whole.caption, whole.due_ms, whole.title) == ("Compare", 300, "Compare")


def test_titles_name_what_has_no_words() -> None:
    """Until its files are there, a request without words is called by them."""
    assert GivenFiles((file("a.txt"),)).title == "📎 a.txt"
    assert GivenFiles((file(number=1), file(number=2))).title == "📎 2 files"


def test_prompt_has_words_and_paths() -> None:
    """The agent is told where each file is, in the form that the page shows as files."""
    there = GivenFile("f" * 32, Path("/in/f/a.txt"), 5)
    told = prompt_with(GivenFiles((file(),), "Read it"), [there])
    assert told == "Read it\n\nAttached files:\n- /in/f/a.txt (5 bytes)"


def test_folders_are_the_same_for_every_try_and_differ_by_run() -> None:
    """A try after a crash finds what the one before it brought; two requests never share a file."""
    assert folder_of("run-1", file()) == folder_of("run-1", file("other-name"))
    assert (
        len({folder_of("run-1", file()), folder_of("run-2", file()), folder_of("run-1", file(number=2))}) == 3
    )
    assert len(folder_of("run-1", file())) == 32
