"""Settings, read once from the environment; a missing or bad value stops the program and names the variable.

Names of the older services are kept where one exists; the rest begin with `WIREROOM_`. The full list with
meanings is docs/reference/settings.md, which a test holds against this file.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import NoDecode, SettingsConfigDict

from wireroom.agent_settings import LONGEST_SECONDS, named
from wireroom.errors import SettingsError
from wireroom.performance_settings import PerformanceSettings

_SHORTEST_KEY = 32
# What `backends.wire.argument_of` lets stand on a command line; that layer is above this one.
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@\[\]-]{0,255}")


class Settings(PerformanceSettings):
    """Everything that differs between installations."""

    model_config = SettingsConfigDict(
        case_sensitive=True, env_ignore_empty=True, extra="ignore", frozen=True, populate_by_name=True
    )

    host: str = named("HOST", default="127.0.0.1", description="Address to listen on.")
    port: int = named("PORT", default=8480, ge=0, le=65535, description="Port; 0 picks one.")
    data_dir: Path = named(
        "WIREROOM_DATA_DIR",
        default=Path("data"),
        description="Folder for the database, the secrets and the conversations' scratch folders.",
    )
    database_url: str = named(
        "WIREROOM_DATABASE_URL",
        default="",
        description="`sqlite:///path` or `postgresql://…`; else the shared or a data file.",
    )
    shared_db_path: Path | None = named(
        "SHARED_DB_PATH",
        default=None,
        description="The SQLite file shared with other programs; Wireroom's own tables go into it too.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = named(
        "LOG_LEVEL", default="info", description="Least severe event that is logged."
    )

    bot_token: SecretStr = named(
        "TELEGRAM_BOT_TOKEN",
        default=SecretStr(""),
        description="The bot's token; empty: no Telegram.",
    )
    telegram_api_url: str = named(
        "TELEGRAM_API_URL",
        default="https://api.telegram.org",
        description="Bot API server.",
    )
    telegram_webhook_secret: SecretStr = named(
        "TELEGRAM_WEBHOOK_SECRET",
        default=SecretStr(""),
        description="Secret that Telegram sends with each update. Default: generated into the data folder; "
        "`web` and `worker` need it set.",
    )
    telegram_webhook_base_url: str = named(
        "TELEGRAM_WEBHOOK_BASE_URL",
        default="",
        description="Public https address of this service; empty: updates are fetched by long polling.",
    )
    webhook_secret: SecretStr = named(
        "WEBHOOK_SECRET",
        default=SecretStr(""),
        description="Secret of the HTTP API and its admin routes. Default: generated into the data folder; "
        "`web` and `worker` need it set.",
    )
    secrets_key: SecretStr = named(
        "WIREROOM_SECRETS_KEY",
        default=SecretStr(""),
        description="At least 32 characters that nobody can guess: seals the secrets of bots that lie in the "
        "database. Default: generated into the data folder; on PostgreSQL it must be set.",
    )
    allowed_users: Annotated[tuple[int, ...], NoDecode] = named(
        "WIREROOM_ALLOWED_USERS",
        default=(),
        description="Telegram user ids that may talk to the bot, comma separated; others pair by code.",
    )

    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = named(
        "WIREROOM_ALLOWED_HOSTS",
        default=(),
        description="Host names under which the page may be opened, beside this machine's own.",
    )

    backend: str = named(
        "WIREROOM_BACKEND",
        default="auto",
        description="Coding agent: claude, codex, cursor, gemini, opencode, acp, remote or demo; "
        "auto: the first found.",
    )
    cursor_cli_path: str = named(
        "CURSOR_CLI_PATH",
        default="cursor-agent",
        description="Cursor's command-line program.",
    )
    claude_cli_path: str = named(
        "WIREROOM_CLAUDE_CLI_PATH", default="claude", description="Claude Code's program."
    )
    claude_permission_mode: Literal["default", "acceptEdits", "bypassPermissions", "plan"] = named(
        "WIREROOM_CLAUDE_PERMISSION_MODE",
        default="acceptEdits",
        description="What Claude Code may do without asking.",
    )
    model: str = named("WIREROOM_MODEL", default="", description="Model; empty: the agent's own.")
    repositories_path: Path | None = named(
        "REPOSITORIES_PATH",
        default=None,
        description="Folder that conversations work in. Default: a scratch folder each, in the data folder.",
    )

    run_slots: int = named(
        "WIREROOM_RUN_SLOTS",
        "CURSOR_CLI_MAX_CONCURRENT",
        default=5,
        ge=1,
        le=1000,
        description="Agents that work at once.",
    )
    cli_timeout_ms: int | None = named(
        "CURSOR_CLI_TIMEOUT", default=None, ge=1, description="The same as WIREROOM_RUN_SECONDS, in ms."
    )
    cli_idle_timeout_ms: int | None = named(
        "CURSOR_CLI_IDLE_TIMEOUT", default=None, ge=1, description="As WIREROOM_IDLE_SECONDS, in ms."
    )
    run_seconds: float = named(
        "WIREROOM_RUN_SECONDS",
        default=1800.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="Longest time of one run, seconds.",
    )
    idle_seconds: float = named(
        "WIREROOM_IDLE_SECONDS",
        default=600.0,
        gt=0,
        le=LONGEST_SECONDS,
        description="Longest silence of a run, seconds.",
    )
    output_bytes: int = named(
        "CURSOR_CLI_MAX_OUTPUT_SIZE",
        default=10_485_760,
        ge=4096,
        description="Bytes of an agent's output, and of its log, that are kept; more is counted.",
    )
    interrupted_policy: Literal["resume", "report"] = named(
        "WIREROOM_INTERRUPTED_POLICY",
        default="resume",
        description="After a crash: `resume` runs the interrupted attempt again, `report` tells the person.",
    )
    max_interruptions: int = named(
        "WIREROOM_MAX_INTERRUPTIONS",
        default=5,
        ge=0,
        description="Crashes that one run survives before it is reported as interrupted.",
    )
    drain_seconds: float = named(
        "WIREROOM_DRAIN_SECONDS",
        default=20.0,
        ge=0,
        le=LONGEST_SECONDS,
        description="How long a stop (SIGTERM) waits for running agents, seconds.",
    )
    context_chars: int = named(
        "WIREROOM_CONTEXT_CHARS",
        default=24_000,
        ge=0,
        description="Earlier conversation given to an agent that cannot resume its session, characters.",
    )
    update_attempts: int = named(
        "WIREROOM_UPDATE_ATTEMPTS",
        default=3,
        ge=1,
        description="Tries of one chat update before it becomes a dead letter.",
    )
    delivery_attempts: int = named(
        "WIREROOM_DELIVERY_ATTEMPTS",
        default=12,
        ge=1,
        description="Tries of one delivery on passing errors before it becomes a dead letter.",
    )
    messages_per_second: int = named(
        "WIREROOM_MESSAGES_PER_SECOND",
        default=30,
        ge=1,
        description="Telegram calls a second in all; more only with paid broadcasts or a server of your own.",
    )
    chat_messages_per_second: float = named(
        "WIREROOM_CHAT_MESSAGES_PER_SECOND",
        default=1.0,
        gt=0,
        description="Messages, and edits, a second in one chat.",
    )
    group_messages_per_minute: int = named(
        "WIREROOM_GROUP_MESSAGES_PER_MINUTE",
        default=20,
        ge=1,
        description="Messages a minute in one group.",
    )
    tombstone_days: int = named(
        "WIREROOM_TOMBSTONE_DAYS",
        default=7,
        ge=1,
        description="Days that a handled update's text is kept; its id is kept for good.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _usual_level(cls, value: Any) -> Any:
        level = value.lower() if isinstance(value, str) else value
        return "warning" if level == "warn" else level

    @field_validator("model")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if value and not _MODEL.fullmatch(value):
            raise ValueError("expected a model's name: letters, digits and . _ : / @ [ ] -, no option")
        return value

    @field_validator("secrets_key")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _SHORTEST_KEY:
            raise ValueError(f"expected at least {_SHORTEST_KEY} characters; make one: openssl rand -hex 32")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("expected sqlite:///path or postgresql://user@host/name")
        return value

    @field_validator("allowed_users", mode="before")
    @classmethod
    def _split_ids(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        if not all(word.isascii() and word.isdigit() for word in words):
            raise ValueError("expected numeric Telegram ids, comma separated, such as 123456,7891011")
        return tuple(int(word) for word in words)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(word.strip() for word in value.split(",") if word.strip())

    @property
    def url(self) -> str:
        """The database's URL after defaults."""
        if self.database_url:
            return self.database_url
        path = self.shared_db_path or self.data_dir / "wireroom.sqlite3"
        return f"sqlite:///{path.resolve()}"

    @property
    def bot_id(self) -> int:
        """The bot's numeric id, the part of its token before the colon; 0 without a bot."""
        head = self.bot_token.get_secret_value().split(":", 1)[0]
        return int(head) if head.isdigit() else 0

    @property
    def run_limit(self) -> timedelta:
        """Longest time of one run."""
        if self.cli_timeout_ms and "run_seconds" not in self.model_fields_set:
            return timedelta(milliseconds=self.cli_timeout_ms)
        return timedelta(seconds=self.run_seconds)

    @property
    def idle_limit(self) -> timedelta:
        """Longest silence of a run."""
        if self.cli_idle_timeout_ms and "idle_seconds" not in self.model_fields_set:
            return timedelta(milliseconds=self.cli_idle_timeout_ms)
        return timedelta(seconds=self.idle_seconds)

    @property
    def repositories_root(self) -> Path:
        """Folder of the repositories, with or without a setting; need not exist."""
        return (self.repositories_path or self.data_dir / "repositories").resolve()

    @property
    def slots(self) -> int:
        """Agents that work at once."""
        return 1 if self.low_resource else self.run_slots


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        SettingsError: a value cannot be used; the message names each variable and what was expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{_variable(str(item['loc'][0]))}: {item['msg']}" for item in error.errors())
        raise SettingsError(f"The environment cannot be used. {wrong}") from error


def _variable(name: str) -> str:
    """Return the variable that was set, for a field that an older name may set as well."""
    for field in Settings.model_fields.values():
        names = variables_of(field)
        if name in names:
            return next((one for one in names if os.environ.get(one)), name)
    return name


def variables_of(field: FieldInfo) -> tuple[str, ...]:
    """Return the environment variables that set the field; the first that is set wins."""
    choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
    return tuple(str(name) for name in choices)
