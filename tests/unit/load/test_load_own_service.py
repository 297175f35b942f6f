"""What the service of a measurement is told."""

from __future__ import annotations

from pathlib import Path

from wireroom.load.own_service import settings_of


def _settings(environment: dict[str, str]) -> dict[str, str]:
    return settings_of(
        environment,
        Path("/tmp/data"),  # noqa: S108 - nothing is written
        telegram_url="http://127.0.0.1:1",
        webhook_secret="w",
        api_secret="a",
        people=range(1001, 1004),
    )


def test_settings_never_lead_to_real_data() -> None:
    """A database, a data folder, a bot or a runner of ours is not passed on."""
    ours = {
        "WIREROOM_DATABASE_URL": "postgresql://prod",
        "WIREROOM_DATA_DIR": "/var/lib/wireroom",
        "SHARED_DB_PATH": "/srv/shared.sqlite3",
        "REDIS_URL": "redis://prod",
        "TELEGRAM_BOT_TOKEN": "1:real",
        "CURSOR_RUNNER_URL": "http://prod",
        "PORT": "80",
    }

    made = _settings(ours)

    assert not set(made.values()) & set(ours.values())


def test_settings_pass_tuning_on() -> None:
    """A setting of Wireroom's own can be measured by setting it for the command."""
    assert _settings({"WIREROOM_RUN_SLOTS": "3"})["WIREROOM_RUN_SLOTS"] == "3"
    assert _settings({})["WIREROOM_RUN_SLOTS"] == "50"


def test_settings_let_the_people_in() -> None:
    """Everybody who will write may talk to the bot."""
    assert _settings({})["WIREROOM_ALLOWED_USERS"] == "1001,1002,1003"
