"""How programs are given the folders of files that people sent, and of those that they leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from wireroom.backends.claude import ClaudeBackend
from wireroom.backends.codex import CodexBackend
from wireroom.backends.gemini import GeminiBackend
from wireroom.backends.protocol import AgentRequest, Backend

FOLDERS = (Path("/data/inbox/1"), Path("/data/outbox/c"))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (ClaudeBackend, "--add-dir=/data/inbox/1 --add-dir=/data/outbox/c --resume s"),
        (CodexBackend, "--add-dir /data/inbox/1 --add-dir /data/outbox/c resume s"),
        (
            GeminiBackend,
            "--include-directories=/data/inbox/1 --include-directories=/data/outbox/c --resume s",
        ),
    ],
    ids=["claude", "codex", "gemini"],
)
def test_folders_are_options_of_the_program(make: Callable[..., Backend], told: str) -> None:
    """Each folder is named before the session, and none without any."""
    backend = make("agent", {})
    request = AgentRequest("do it", Path("/work"), session_id="s", folders=FOLDERS)
    assert told in " ".join(backend.command(request).argv)
    plain = backend.command(AgentRequest("do it", Path("/work"))).argv
    assert not any("dir" in word for word in plain)
