"""What `wireroom doctor` says of the folder of a local Bot API server."""

from __future__ import annotations

from pathlib import Path

from wireroom.doctor.neighbours import look_at_local_files
from wireroom.settings import Settings


def test_folder_of_a_local_server_must_be_readable(tmp_path: Path) -> None:
    """Nothing is said without one; one that is there is good; one that is not is told with the remedy."""
    assert look_at_local_files(Settings()) == []
    (good,) = look_at_local_files(Settings(local_files=tmp_path))
    (bad,) = look_at_local_files(Settings(local_files=tmp_path / "gone"))
    assert (good.ok, bad.ok) == (True, False)
    assert "WIREROOM_TELEGRAM_FILES" in bad.mend
