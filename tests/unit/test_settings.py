"""Settings come from the environment, under their documented names, and a bad value names its variable."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from wireroom.backends.wire import argument_of
from wireroom.errors import BadInput, SettingsError
from wireroom.settings import Settings, load_settings, variables_of

FIELDS = Settings.model_fields.items()
OLD_NAMES = {
    "BULLMQ_CONCURRENCY",
    "HOST",
    "PORT",
    "LOG_LEVEL",
    "SHARED_DB_PATH",
    "TELEGRAM_BOT_TOKEN",
    "TELEGRAM_API_URL",
    "TELEGRAM_WEBHOOK_SECRET",
    "TELEGRAM_WEBHOOK_BASE_URL",
    "WEBHOOK_SECRET",
    "CURSOR_CLI_PATH",
    "CURSOR_CLI_IDLE_TIMEOUT",
    "CURSOR_CLI_TIMEOUT",
    "CURSOR_RUNNER_LOW_RESOURCE",
    "CURSOR_RUNNER_URL",
    "ELEVENLABS_AGENT_ENABLED",
    "ELEVENLABS_API_KEY",
    "ELEVENLABS_STT_MODEL_ID",
    "ELEVENLABS_TTS_MODEL_ID",
    "ELEVENLABS_VOICE_ID",
    "FRONTEND_URL",
    "GIT_COMMAND_TIMEOUT",
    "JAREK_VA_URL",
    "REDIS_URL",
    "CURSOR_CLI_MAX_CONCURRENT",
    "CURSOR_CLI_MAX_OUTPUT_SIZE",
    "REPOSITORIES_PATH",
    "SCRIPTS_PATH",
    "TARGET_APP_PATH",
}
"""Names that installations of the older services set."""
CUSTOMARY_NAMES = {"ELEVENLABS_AGENT_ID", "ELEVENLABS_API_URL", "OTEL_EXPORTER_OTLP_ENDPOINT"}
"""What every program calls it."""


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset every variable that a setting reads."""
    for _, field in FIELDS:
        for name in variables_of(field):
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "field"), FIELDS, ids=[name for name, _ in FIELDS])
def test_every_setting_has_a_variable_and_a_meaning(name: str, field: FieldInfo) -> None:
    """A setting is named WIREROOM_… or as the older services named it, and says what it is for."""
    variables = variables_of(field)

    assert variables
    known = OLD_NAMES | CUSTOMARY_NAMES
    assert all(variable.startswith("WIREROOM_") or variable in known for variable in variables)
    assert field.description


def test_older_names_are_all_read() -> None:
    """No name of the older services that Wireroom keeps has been forgotten."""
    assert {variable for _, field in FIELDS for variable in variables_of(field)} >= OLD_NAMES


def test_defaults_need_no_environment() -> None:
    """Without any variable Wireroom runs on this machine alone, without a bot and without a known secret."""
    settings = load_settings()

    assert (settings.host, settings.port) == ("127.0.0.1", 8480)
    assert settings.url == f"sqlite:///{Path('data/wireroom.sqlite3').resolve()}"
    assert settings.bot_id == 0
    assert settings.webhook_secret.get_secret_value() == ""
    assert settings.telegram_webhook_secret.get_secret_value() == ""


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        pytest.param("PORT", "0", "port", 0, id="number"),
        pytest.param("LOG_LEVEL", "WARN", "log_level", "warning", id="level-as-others-write-it"),
        pytest.param("WIREROOM_DATA_DIR", "/d", "data_dir", Path("/d"), id="path"),
        pytest.param("WIREROOM_ALLOWED_USERS", " 5, 7,", "allowed_users", (5, 7), id="ids"),
        pytest.param(
            "WIREROOM_ALLOWED_HOSTS", "a.lan,b.lan", "allowed_hosts", ("a.lan", "b.lan"), id="hosts"
        ),
        pytest.param("CURSOR_CLI_MAX_CONCURRENT", "3", "run_slots", 3, id="older-name"),
        pytest.param("WIREROOM_RUN_SECONDS", "90", "run_limit", timedelta(seconds=90), id="run-limit"),
        pytest.param("WIREROOM_IDLE_SECONDS", "1.5", "idle_limit", timedelta(seconds=1.5), id="idle-limit"),
        pytest.param("TELEGRAM_BOT_TOKEN", "123:abc", "bot_id", 123, id="bot-id"),
        pytest.param("SHARED_DB_PATH", "/s.db", "url", "sqlite:////s.db", id="shared-file"),
        pytest.param("WIREROOM_DATABASE_URL", "postgresql://h/d", "url", "postgresql://h/d", id="url"),
    ],
)
def test_variable_sets_its_setting(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, name: str, expected: object
) -> None:
    """A variable's text becomes the setting's value."""
    monkeypatch.setenv(variable, value)

    assert getattr(load_settings(), name) == expected


def test_newer_name_wins_over_an_older_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both names are set, Wireroom's own counts."""
    monkeypatch.setenv("CURSOR_CLI_MAX_CONCURRENT", "3")
    monkeypatch.setenv("WIREROOM_RUN_SLOTS", "4")

    assert load_settings().run_slots == 4


@pytest.mark.parametrize(
    ("model", "is_a_name"),
    [
        pytest.param("opus", True, id="alias"),
        pytest.param("claude-sonnet-4.5[1m]", True, id="marks"),
        pytest.param("--help", False, id="option"),
        pytest.param("two words", False, id="words"),
    ],
)
def test_model_is_refused_at_the_start_if_no_agent_could_be_given_it(
    monkeypatch: pytest.MonkeyPatch, model: str, is_a_name: bool
) -> None:
    """A model is one word that is no option; the setting and the command line agree on which."""
    monkeypatch.setenv("WIREROOM_MODEL", model)
    if is_a_name:
        assert load_settings().model == argument_of(model, "the model")
        return
    with pytest.raises(BadInput):
        argument_of(model, "the model")
    with pytest.raises(SettingsError, match=r"WIREROOM_MODEL: .*a model's name"):
        load_settings()


@pytest.mark.parametrize("name", [name for name, _ in FIELDS])
def test_other_programs_variables_are_not_read(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """`DATABASE_URL`, `MODEL` and the like belong to other programs, unless they are documented names."""
    if name.upper() in OLD_NAMES:
        assert name.upper() in variables_of(Settings.model_fields[name])
        return
    monkeypatch.setenv(name.upper(), "1")

    assert getattr(load_settings(), name) == getattr(Settings(), name) == Settings.model_fields[name].default


@pytest.mark.parametrize("variable", sorted({one for _, field in FIELDS for one in variables_of(field)}))
def test_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """`PORT=` in an environment file changes nothing."""
    monkeypatch.setenv(variable, "")

    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        pytest.param("PORT", "eighty", id="word"),
        pytest.param("PORT", "65536", id="too-large"),
        pytest.param("LOG_LEVEL", "chatty", id="unknown-level"),
        pytest.param("WIREROOM_ALLOWED_USERS", "ada", id="name-instead-of-id"),
        pytest.param("WIREROOM_ALLOWED_USERS", "1,²", id="odd-digit"),
        pytest.param("WIREROOM_DATABASE_URL", "mysql://host/db", id="unknown-database"),
        pytest.param("WIREROOM_RUN_SECONDS", "0", id="no-time-at-all"),
        pytest.param("WIREROOM_RUN_SECONDS", "inf", id="endless"),
        pytest.param("WIREROOM_DRAIN_SECONDS", "nan", id="no-number"),
        pytest.param("WIREROOM_RUN_SLOTS", "0", id="no-slot"),
        pytest.param("CURSOR_CLI_MAX_CONCURRENT", "0", id="no-slot-by-the-older-name"),
        pytest.param("WIREROOM_INTERRUPTED_POLICY", "ignore", id="unknown-policy"),
    ],
)
def test_bad_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A value that cannot be used stops the program with the variable that was set."""
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError, match=f"{variable}: "):
        load_settings()


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mistakes are told together, so that they are mended together."""
    monkeypatch.setenv("PORT", "eighty")
    monkeypatch.setenv("LOG_LEVEL", "chatty")

    with pytest.raises(SettingsError, match=r"PORT: .*; LOG_LEVEL: ") as caught:
        load_settings()
    assert "\n" not in str(caught.value)


def test_secrets_do_not_show_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the settings prints no secret."""
    for variable in ("TELEGRAM_BOT_TOKEN", "TELEGRAM_WEBHOOK_SECRET", "WEBHOOK_SECRET"):
        monkeypatch.setenv(variable, "123:s3cret")

    assert "s3cret" not in repr(load_settings())
