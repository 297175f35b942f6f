"""The data folder, the secrets that nobody set, made on first start, and the address of the last one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import structlog

from wireroom.errors import SettingsError

_log = structlog.get_logger(__name__)
ADDRESS_FILE = "address"
"""Where a running service notes the address it listens on, for the command line."""


def make_data_dir(data_dir: Path) -> None:
    """Make the data folder, which only its owner may enter.

    Raises:
        SettingsError: it cannot be made.
    """
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise SettingsError(f"WIREROOM_DATA_DIR: {data_dir} cannot be made ({error.strerror}).") from error


def note_address(data_dir: Path, address: str) -> None:
    """Tell the command line where we listen; without it only `login` shows a wrong address."""
    try:
        (data_dir / ADDRESS_FILE).write_text(address + "\n")
    except OSError as error:
        _log.warning("address_not_noted", reason=error.strerror)


def secret_of(data_dir: Path, name: str, given: str) -> str:
    """Return the given secret, else the stored one, else a new one that is stored.

    Args:
        data_dir: The data folder, which exists.
        name: The file's name, such as `api-secret`.
        given: The setting's value; empty when it was not set.

    Raises:
        SettingsError: the file cannot be read or made.
    """
    if given:
        return given
    path = data_dir / name
    try:
        secret = _read(path) if path.exists() else _create(path)
    except OSError as error:
        raise SettingsError(
            f"WIREROOM_DATA_DIR: {path} cannot be read or made ({error.strerror})."
        ) from error
    if not secret:
        raise SettingsError(f"WIREROOM_DATA_DIR: {path} is empty. Remove it, and a new secret is made.")
    return secret


def _read(path: Path) -> str:
    return path.read_text(errors="replace").strip()


def _create(path: Path) -> str:
    """Write a new secret; the first of two processes that start at once wins, and both use its secret."""
    value = secrets.token_urlsafe(32)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(value + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        return _read(path)
    finally:
        draft.unlink()
    return value
