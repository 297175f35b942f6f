"""The folder for one-off scripts that agents write, so that they do not litter repositories."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from wireroom.errors import SettingsError
from wireroom.settings import Settings

MOST_LISTED = 1000
_DEEPEST = 5
PLACEHOLDER = "{scripts}"
DEFAULT_INSTRUCTIONS = f"Put one-off scripts into {PLACEHOLDER}, never into a repository."
OFF = "off"


@dataclass(frozen=True, slots=True)
class Script:
    """A file in the folder."""

    name: str
    """Below the folder, with `/` between its parts."""
    size_bytes: int
    modified_ms: int


def scripts_folder(settings: Settings) -> Path:
    """Return where scripts go: SCRIPTS_PATH, else `scripts` in TARGET_APP_PATH or the data folder. Pure."""
    if settings.scripts_path:
        return settings.scripts_path
    return (settings.target_app_path or settings.data_dir) / "scripts"


def instructions(settings: Settings) -> str:
    """Return what agents are told beside the prompt; empty when it is switched off."""
    said = settings.instructions or DEFAULT_INSTRUCTIONS
    return "" if said == OFF else said.replace(PLACEHOLDER, str(scripts_folder(settings).resolve()))


def make_scripts_folder(folder: Path, repositories: Path) -> None:
    """Make the folder, if it is missing.

    Args:
        folder: Where scripts go.
        repositories: Folder of the repositories.

    Raises:
        SettingsError: it cannot be made, or lies in one of the repositories.
    """
    repository = _repository_around(folder.resolve(), repositories.resolve())
    if repository is not None:
        where = f"{folder} lies in the repository {repository}"
        raise SettingsError(f"SCRIPTS_PATH: {where}. Name a folder outside.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"SCRIPTS_PATH: {folder} cannot be made ({error.strerror}).") from error


def list_scripts(folder: Path) -> Sequence[Script]:
    """Return the files in the folder and up to 5 levels below, by name, at most 1,000; links are left out."""
    return list(islice(_walk(folder, "", _DEEPEST), MOST_LISTED))


def _repository_around(folder: Path, root: Path) -> Path | None:
    """Return the repository below the root that the folder is or lies in."""
    if not folder.is_relative_to(root):
        return None
    inside = [one for one in (folder, *folder.parents) if one != root and one.is_relative_to(root)]
    return next((one for one in inside if (one / ".git").exists()), None)


def _walk(folder: Path, prefix: str, levels: int) -> Iterator[Script]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            if levels > 1:
                yield from _walk(Path(entry.path), f"{name}/", levels - 1)
        elif entry.is_file(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                seen = entry.stat(follow_symlinks=False)
                yield Script(name, seen.st_size, seen.st_mtime_ns // 1_000_000)
