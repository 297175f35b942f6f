"""What is looked at before a file of an agent is sent, and what becomes of a photo that is none."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from wireroom.delivery.left_file import refused_as_photo, why_not
from wireroom.delivery.parts import FilePart, Part, TextPart, decode_part, encode_part, part_kind
from wireroom.telegram.errors import BotAPIError, FloodWait, MessageGone, NotModified, Rejected

PHOTO = FilePart("/data/sending/r/1/a.png", "0" * 64, "a.png", "image/png")


def test_a_file_is_stored_by_its_place_and_not_its_content(tmp_path: Path) -> None:
    """The part in the database is small, and comes back as it was."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"x" * 1_000_000)
    part = FilePart(str(path), "0" * 64, "a.bin")
    stored = encode_part(part)
    assert len(stored) < 1000
    assert decode_part(part_kind(part), stored) == part


def test_only_the_file_that_was_left_is_sent(tmp_path: Path) -> None:
    """One that is gone, was changed, or has become a link is not."""
    path = tmp_path / "a.txt"
    path.write_text("tea")
    part = FilePart(str(path), hashlib.sha256(b"tea").hexdigest(), "a.txt")
    assert why_not(part) is None
    path.write_text("coffee")
    assert "not what it was" in (why_not(part) or "")
    path.unlink()
    assert "not on this machine" in (why_not(part) or "")
    path.symlink_to(tmp_path / "other")
    (tmp_path / "other").write_text("tea")
    assert why_not(part) is not None


@pytest.mark.parametrize(
    ("content", "error", "again"),
    [
        pytest.param(PHOTO, Rejected("m", "PHOTO_INVALID_DIMENSIONS"), True, id="no-photo"),
        pytest.param(PHOTO, NotModified("m", "same"), False, id="shown-already"),
        pytest.param(PHOTO, MessageGone("m", "gone"), False, id="placeholder-gone"),
        pytest.param(PHOTO, FloodWait("m", "slow", retry_after_seconds=1), False, id="flood"),
        pytest.param(FilePart("/a", "0", "a"), Rejected("m", "no"), False, id="document"),
        pytest.param(TextPart("a"), Rejected("m", "no"), False, id="text"),
    ],
)
def test_a_refused_photo_is_sent_as_a_document(content: Part, error: BotAPIError, again: bool) -> None:
    """Only a refusal of the picture itself asks for another form."""
    assert refused_as_photo(content, error) is again
