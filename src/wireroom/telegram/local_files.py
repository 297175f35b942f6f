"""Files of a local Bot API server in its local mode: `getFile` tells where they lie, and they are copied.

Nothing is taken from outside the folder that the settings name, whatever the server says. Copied and not
linked: the server keeps its file for others, and an agent may change its own.
Source: Telegram Bot API, Using a Local Bot API Server.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from wireroom.telegram.errors import Rejected, TelegramUnavailable, TooLong

_METHOD = "download"


def copy_local(root: Path, file_path: str, destination: Path, *, max_bytes: int) -> int:
    """Copy the server's file to `destination` and return its size in bytes. Blocking.

    Raises:
        Rejected: the path leads out of the folder, or to no regular file.
        TooLong: the file is larger than `max_bytes`.
        TelegramUnavailable: it cannot be read, or the disk does not take it; nothing was kept.
    """
    try:
        with os.fdopen(_open_inside(root, file_path), "rb") as source, destination.open("wb") as copy:
            size = os.fstat(source.fileno()).st_size
            if size > max_bytes:
                raise TooLong(_METHOD, f"the file is larger than {max_bytes} bytes")
            shutil.copyfileobj(source, copy, 1024 * 1024)
    except OSError as error:
        raise TelegramUnavailable(_METHOD, f"the local file cannot be copied ({error.strerror})") from error
    return size


def _open_inside(root: Path, file_path: str) -> int:
    try:
        folder, found = root.resolve(strict=True), Path(file_path).resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise Rejected(_METHOD, "the local Bot API server names a file that is not there") from error
    if not found.is_relative_to(folder):
        raise Rejected(_METHOD, "the local Bot API server names a file outside of WIREROOM_TELEGRAM_FILES")
    # Resolved above: what is a link by now was swapped. A named pipe would hold us without O_NONBLOCK.
    descriptor = os.open(found, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Rejected(_METHOD, "the local Bot API server names what is no file")
    return descriptor
