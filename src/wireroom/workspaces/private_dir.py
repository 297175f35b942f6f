"""A folder for one attempt's configuration files, so that attempts never share one; gone when it ends."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from wireroom.errors import BadInput

_FOLDER = "private"
_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@asynccontextmanager
async def private_dir(data_dir: Path, run_id: str, epoch: int) -> AsyncIterator[Path]:
    """Lend the attempt's empty folder, which only this user may enter, and remove it with all that is in it.

    A cancellation that comes while the folder is removed is not raised: what the block came to stands, and
    `asyncio.Task.cancelling` tells.

    Raises:
        BadInput: the run's id cannot name a folder.
    """
    path = _place(data_dir, run_id, epoch)
    # Some calls on the disk that has the database: less than a trip to a thread, and no cancellation comes
    # between the folder and the promise to remove it.
    _make(path)
    try:
        yield path
    finally:
        if not _is_removed(path):
            await _remove(path)


async def _remove(path: Path) -> None:
    """Remove the folder in a way that no cancellation cuts short: secrets may be in there."""
    removing = asyncio.create_task(
        asyncio.to_thread(shutil.rmtree, path, ignore_errors=True), name=f"remove {path.name}"
    )
    try:
        await asyncio.shield(removing)
    except asyncio.CancelledError:
        await asyncio.shield(removing)


def private_folders(data_dir: Path) -> list[str]:
    """Return the names of the attempts' folders that are there, `run-1.2` for the second attempt of run-1."""
    root = data_dir.resolve() / _FOLDER
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def remove_leftovers(data_dir: Path, names: Iterable[str] | None = None) -> int:
    """Remove folders that a crash left, and return how many; None: all, for the start of the only owner."""
    found = list(private_folders(data_dir) if names is None else names)
    for name in found:
        shutil.rmtree(data_dir.resolve() / _FOLDER / name, ignore_errors=True)
    return len(found)


def _place(data_dir: Path, run_id: str, epoch: int) -> Path:
    if not _RUN_ID.fullmatch(run_id):
        raise BadInput(f"{run_id!r} cannot name a folder.")
    return data_dir.resolve() / _FOLDER / f"{run_id}.{epoch}"


def _make(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(mode=0o700)


def _is_removed(path: Path) -> bool:
    """Remove the folder if nothing is in it; most agents are given no file."""
    try:
        path.rmdir()
    except OSError:
        return False
    return True
