"""The settings of files that people send to the bot and agents send back; a part of `Settings`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import field_validator
from pydantic_settings import NoDecode

from wireroom.agent_settings import AgentSettings, named

_PROGRAMS = ("exe", "elf", "macho", "dll", "msi", "scr", "com", "pif", "bat", "cmd", "lnk", "apk")


class FileSettings(AgentSettings):
    """Which files are taken from a chat, and from where."""

    chat_file_mib: int = named(
        "WIREROOM_CHAT_FILE_MIB",
        default=2000,
        ge=1,
        le=2000,
        description="Largest file that is taken from a chat, MiB; without `WIREROOM_TELEGRAM_FILES` never "
        "more than the 20 that Telegram gives to bots.",
    )
    local_files: Path | None = named(
        "WIREROOM_TELEGRAM_FILES",
        default=None,
        description="Folder in which a local Bot API server (`--local`) keeps files, as seen from here; "
        "files up to 2000 MiB are taken from there.",
    )
    refused_files: Annotated[tuple[str, ...], NoDecode] = named(
        "WIREROOM_REFUSED_FILES",
        default=_PROGRAMS,
        description="Kinds of files that are not taken from a chat, by suffix or (`exe`, `elf`, `macho`) by "
        "content, comma separated; `none`: every kind is taken.",
    )
    album_seconds: float = named(
        "WIREROOM_ALBUM_SECONDS",
        default=1.5,
        ge=0,
        le=10,
        description="How long a request waits for the next piece of its album, seconds.",
    )
    file_seconds: float = named(
        "WIREROOM_FILE_SECONDS",
        default=120.0,
        gt=0,
        le=3600,
        description="Longest time until a file of a request must be here, seconds.",
    )

    @field_validator("refused_files", mode="before")
    @classmethod
    def _suffixes(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        words = [word.strip().lower().lstrip(".") for word in value.split(",")]
        return () if words == ["none"] else tuple(word for word in words if word)
