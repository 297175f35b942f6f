"""A file that an agent left, on its way: it must be there and what it was; what is no photo is a document."""

from __future__ import annotations

import hashlib
import os
import stat

from wireroom.delivery.parts import FilePart, Part
from wireroom.telegram.errors import (
    BotAPIError,
    ChatMigrated,
    ChatNotFound,
    MessageGone,
    NotModified,
    Rejected,
    TopicGone,
)

_NOT_OF_THE_PHOTO = (NotModified, MessageGone, TopicGone, ChatNotFound, ChatMigrated)


def refused_as_photo(content: Part | None, error: BotAPIError) -> bool:
    """Tell whether Telegram does not take this for a photo, as for its sides; a document may do. Pure."""
    is_photo = isinstance(content, FilePart) and content.image_type is not None
    return is_photo and isinstance(error, Rejected) and not isinstance(error, _NOT_OF_THE_PHOTO)


def why_not(part: FilePart) -> str | None:
    """Return why the file cannot be sent, None when it can. Blocking."""
    try:
        descriptor = os.open(part.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return f"{part.file_name} is not on this machine's disk ({error.strerror})"
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return f"{part.file_name} is no file any more"
        if hashlib.file_digest(file, "sha256").hexdigest() != part.digest:
            return f"{part.file_name} is not what it was when the agent left it"
    return None
