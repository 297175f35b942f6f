"""What a person asks for when adding a bot, before Telegram is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from wireroom.errors import BadInput, Conflict
from wireroom.intake.bots import NewBot, bot_of_lane
from wireroom.intake.new_bots import Wish, wanted_bot
from wireroom.settings import Settings

TOKEN = "777:made-up"


def _settings(folder: Path) -> Settings:
    (folder / "blog").mkdir()
    return Settings(data_dir=folder, repositories_path=folder, bot_token=SecretStr("123:first"))


def test_bot_is_as_it_was_asked_for(tmp_path: Path) -> None:
    """Its name is lower case, its repository a folder, its id the token's first half; no token is shown."""
    wish = Wish(" Helper ", f" {TOKEN}\n", "blog", "Demo", is_polled=True)
    new = wanted_bot(wish, _settings(tmp_path))
    folder = str((tmp_path / "blog").resolve())
    assert new == NewBot(777, "helper", TOKEN, "", folder, "demo", is_polled=True)
    assert "made-up" not in repr(new)


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Wish("", TOKEN), "name"),
        (Wish("two words", TOKEN), "name"),
        (Wish("helper", "made-up"), "looks like"),
        (Wish("helper", "777:with space"), "looks like"),
        (Wish("helper", TOKEN, "nowhere"), "no repository nowhere"),
        (Wish("helper", TOKEN, "../.."), "no repository"),
        (Wish("helper", TOKEN, "", "hal"), "no coding agent hal"),
    ],
    ids=["no name", "two words", "no token", "a space", "no folder", "outside", "no agent"],
)
def test_what_cannot_be_meant_is_said_in_words(tmp_path: Path, wish: Wish, words: str) -> None:
    """The refusal names what is wrong, and never the token."""
    with pytest.raises(BadInput, match=words) as refusal:
        wanted_bot(wish, _settings(tmp_path))
    assert "made-up" not in str(refusal.value)


def test_bot_of_the_settings_is_not_added_again(tmp_path: Path) -> None:
    """It would fetch its updates twice."""
    with pytest.raises(Conflict, match="TELEGRAM_BOT_TOKEN"):
        wanted_bot(Wish("helper", "123:other"), _settings(tmp_path))


@pytest.mark.parametrize(
    ("lane", "bot_id"),
    [("telegram:777:8:0", 777), ("web:main", None), ("task:5", None), ("telegram:x:8:0", None), ("", None)],
)
def test_lane_names_its_bot(lane: str, bot_id: int | None) -> None:
    """A chat's lane begins with its bot; others have none."""
    assert bot_of_lane(lane) == bot_id
