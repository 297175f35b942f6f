"""Looks at what stands on this machine: the SQLite library, the data folder, the database, what settings say.

Nothing is changed, and nothing outside the machine is asked; see `neighbours` for that.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pysqlite3

from wireroom.doctor.findings import Finding
from wireroom.errors import SettingsError, StoreUnavailable
from wireroom.settings import Settings
from wireroom.store.migrate import HEAD, current_version, sqlite_path
from wireroom.workspaces.mcp_config import read_servers, visible_references

_SAFE_SQLITE = (3, 51, 3)
_LOW_DISK_BYTES = 512 * 1024 * 1024
_SHORT_SECRET = 16


def look_at_sqlite_library() -> Finding:
    """Tell whether the SQLite library is one that keeps a busy file whole."""
    version = pysqlite3.sqlite_version
    if pysqlite3.sqlite_version_info >= _SAFE_SQLITE:
        return Finding("SQLite", True, f"library {version}")
    return Finding(
        "SQLite",
        False,
        f"library {version} can corrupt a busy file",
        mend="install pysqlite3 0.6.1 or newer",
    )


def look_at_data_folder(settings: Settings) -> Finding:
    """Tell whether the data folder can be written, and how much room there is."""
    folder = settings.data_dir.resolve()
    if not folder.exists():
        above = next(parent for parent in folder.parents if parent.exists())
        if above.is_dir() and os.access(above, os.W_OK):
            return Finding("Data folder", True, f"{folder} will be made at the first start")
        mend = "set WIREROOM_DATA_DIR to a folder you may write"
        return Finding("Data folder", False, f"{folder} cannot be made", mend=mend, fatal=True)
    if not os.access(folder, os.W_OK):
        return Finding(
            "Data folder", False, f"{folder} may not be written", mend="change its owner", fatal=True
        )
    free = shutil.disk_usage(folder).free
    if free < _LOW_DISK_BYTES:
        return Finding("Data folder", False, f"{folder} has only {free // 2**20} MiB free", mend="make room")
    return Finding("Data folder", True, f"{folder}, {free // 2**30} GiB free")


def look_at_database(settings: Settings) -> Finding:
    """Tell whether the database can be opened, and which schema it has."""
    shown = settings.url if settings.url.startswith("sqlite") else "PostgreSQL"
    path = sqlite_path(settings.url)
    if path is not None and not path.exists():
        return Finding("Database", True, f"{path.resolve()} will be made at the first start")
    try:
        version = current_version(settings.url)
    except StoreUnavailable as error:
        return Finding("Database", False, str(error), fatal=True)
    if version == HEAD:
        return Finding("Database", True, f"{shown}, schema {version}")
    return Finding("Database", True, f"{shown}, will be brought to schema {HEAD} at the next start")


def look_at_secrets(settings: Settings) -> Iterator[Finding]:
    """Name each secret that can be guessed."""
    named = {
        "WEBHOOK_SECRET": settings.webhook_secret,
        "TELEGRAM_WEBHOOK_SECRET": settings.telegram_webhook_secret,
    }
    for name, secret in named.items():
        if 0 < len(secret.get_secret_value()) < _SHORT_SECRET:
            mend = "unset it (a strong one is made) or make it longer"
            yield Finding("Secrets", False, f"{name} can be guessed", mend=mend)


def look_at_mcp_servers(settings: Settings) -> Iterator[Finding]:
    """Tell whether the file of MCP servers can be used, and which servers show what is secret."""
    if settings.mcp_config is None:
        return
    try:
        seen = visible_references(read_servers(settings.mcp_config.read_text()))
    except (OSError, UnicodeDecodeError, SettingsError) as error:
        yield Finding("MCP servers", False, str(error))
        return
    if seen:
        text = (
            f"{', '.join(seen)} of {settings.mcp_config} refer to variables, which everybody on this machine"
            " can see in `ps` while a run works"
        )
        yield Finding("MCP servers", False, text, mend="put secrets into `env` or `headers`")


def look_at_address(settings: Settings) -> Finding:
    """Tell who can reach the address."""
    if settings.host in {"127.0.0.1", "::1", "localhost"}:
        return Finding("Address", True, f"{settings.host}:{settings.port}, this machine only")
    text = f"{settings.host}:{settings.port} can be reached from outside"
    return Finding("Address", False, text, mend="put TLS in front of it")
