"""What is sealed opens with its key, about its own thing, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.errors import SettingsError
from wireroom.sealing import KEY_FILE, Seal, seal_of
from wireroom.settings import Settings

SEAL = Seal("a key of the test that is long enough")


def test_sealed_text_opens_about_its_own_thing_only() -> None:
    """It opens as it was; moved to another thing, changed, or never sealed, it does not."""
    sealed = SEAL.close("123:abc", "token of bot 1")
    assert SEAL.open(sealed, "token of bot 1") == "123:abc"
    assert "abc" not in sealed
    assert SEAL.close("123:abc", "token of bot 1") != sealed
    for wrong, about in ((sealed, "token of bot 2"), (sealed[:-4], "token of bot 1"), ("123:abc", "it")):
        with pytest.raises(SettingsError, match="WIREROOM_SECRETS_KEY"):
            SEAL.open(wrong, about)


def test_key_is_made_in_the_data_folder_when_first_needed(tmp_path: Path) -> None:
    """Nothing is written before something is sealed; then the next start has the same key."""
    settings = Settings(data_dir=tmp_path)
    give = seal_of(settings)
    assert list(tmp_path.iterdir()) == []
    sealed = give().close("a", "b")
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert seal_of(settings)().open(sealed, "b") == "a"


def test_key_must_be_set_where_machines_share_the_database(tmp_path: Path) -> None:
    """On PostgreSQL none is made; the one that is set needs no file."""
    url = "postgresql://wireroom@127.0.0.1/wireroom"
    with pytest.raises(SettingsError, match="every process needs the same key"):
        seal_of(Settings(data_dir=tmp_path, database_url=url))()
    key = SecretStr("a key of the test that is long enough")
    sealed = seal_of(Settings(data_dir=tmp_path, database_url=url, secrets_key=key))().close("a", "b")
    assert SEAL.open(sealed, "b") == "a"
    assert list(tmp_path.iterdir()) == []
