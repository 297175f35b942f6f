"""Fresh ids, and the folders that follow from them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from wireroom.settings import Settings


def new_id(prefix: str) -> str:
    """Return a fresh id that sorts by time: the prefix, milliseconds and 8 random hex digits."""
    return f"{prefix}-{time.time_ns() // 1_000_000:x}-{secrets.token_hex(4)}"


def workdir_of(settings: Settings) -> Callable[[str], str]:
    """Return the rule for where a conversation's agent works: the repositories' folder, or scratch."""
    scratch = settings.data_dir.resolve() / "scratch"
    repositories = settings.repositories_path

    def workdir(conversation_id: str) -> str:
        return str(repositories.resolve() if repositories else scratch / conversation_id)

    return workdir
