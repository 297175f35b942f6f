"""Secrets that nobody set: made once, kept private, never empty."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from wireroom.errors import SettingsError
from wireroom.secret_files import make_data_dir, secret_of


def test_given_secret_is_used_and_not_written(tmp_path: Path) -> None:
    """A secret from the settings stays out of the data folder."""
    assert secret_of(tmp_path, "api-secret", "given") == "given"
    assert list(tmp_path.iterdir()) == []


def test_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    """Without one, a long random secret is made, and the next start finds the same."""
    made = secret_of(tmp_path, "api-secret", "")

    assert len(made) >= 32
    assert secret_of(tmp_path, "api-secret", "") == made
    assert [path.name for path in tmp_path.iterdir()] == ["api-secret"]


def test_secrets_of_two_names_and_two_folders_differ(tmp_path: Path) -> None:
    """Nothing is shared between secrets."""
    (tmp_path / "other").mkdir()
    made = {
        secret_of(tmp_path, "api-secret", ""),
        secret_of(tmp_path, "webhook-secret", ""),
        secret_of(tmp_path / "other", "api-secret", ""),
    }

    assert len(made) == 3


def test_file_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    """The file has mode 0600."""
    secret_of(tmp_path, "api-secret", "")

    assert stat.S_IMODE((tmp_path / "api-secret").stat().st_mode) == 0o600


def test_starts_at_the_same_time_agree(tmp_path: Path) -> None:
    """Of several that make the secret at once all use the one that came first."""
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: secret_of(tmp_path, "api-secret", ""), range(8)))

    assert len(made) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("", "is empty", id="empty"),
        pytest.param(" \n", "is empty", id="blank"),
    ],
)
def test_empty_file_is_refused(tmp_path: Path, content: str, words: str) -> None:
    """An emptied file stops the start with its path, instead of a service that lets nobody in."""
    (tmp_path / "api-secret").write_text(content)

    with pytest.raises(SettingsError, match=f"WIREROOM_DATA_DIR.*api-secret {words}"):
        secret_of(tmp_path, "api-secret", "")


@pytest.mark.parametrize(
    "name", [pytest.param("missing", id="no-folder"), pytest.param("file", id="no-folder-but-a-file")]
)
def test_unusable_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A folder in which no secret can be kept stops the start and names the variable."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="WIREROOM_DATA_DIR"):
        secret_of(tmp_path / name, "api-secret", "")


def test_data_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """The data folder is made with its parents, may be there already, and nobody else may enter it."""
    make_data_dir(tmp_path / "a" / "data")
    make_data_dir(tmp_path / "a" / "data")

    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == 0o700


def test_impossible_data_folder_is_refused(tmp_path: Path) -> None:
    """A folder that cannot be made stops the start and names the variable."""
    (tmp_path / "file").touch()

    with pytest.raises(SettingsError, match="WIREROOM_DATA_DIR"):
        make_data_dir(tmp_path / "file" / "data")
