"""Which back end is chosen, and what of our environment its program sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from wireroom.backends.environment import agent_environment
from wireroom.backends.registry import choose_backend
from wireroom.errors import SettingsError
from wireroom.settings import Settings


def installed(folder: Path, *names: str) -> dict[str, str]:
    """Return an environment whose PATH has these programs."""
    for name in names:
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize(
    ("programs", "wish", "chosen"),
    [
        (("claude", "cursor-agent"), "auto", "claude"),
        (("cursor-agent",), "auto", "cursor"),
        ((), "auto", "demo"),
        (("claude",), "demo", "demo"),
        (("claude",), " Cursor ", "cursor"),
        ((), "claude", "claude"),
        ((), "", "demo"),
    ],
    ids=["both", "cursor", "none", "named-demo", "named-cursor", "named-missing", "empty"],
)
def test_choice_prefers_the_name_then_what_is_installed(
    tmp_path: Path, programs: tuple[str, ...], wish: str, chosen: str
) -> None:
    """A name wins even over what is missing; else Claude Code, then Cursor, then the demo agent."""
    environment = installed(tmp_path, *programs)
    settings = Settings(backend=wish, cursor_cli_path="cursor-agent", claude_cli_path="claude")
    assert choose_backend(settings, environment).name == chosen


def test_choice_finds_cursor_by_its_own_path(tmp_path: Path) -> None:
    """`CURSOR_CLI_PATH` may be a full path outside of the PATH."""
    installed(tmp_path, "agent-of-mine")
    settings = Settings(backend="auto", cursor_cli_path=str(tmp_path / "agent-of-mine"))
    assert choose_backend(settings, {"PATH": "/nowhere"}).name == "cursor"


def test_choice_of_an_unknown_name_lists_the_known_ones() -> None:
    """A name that is no back end stops the program and says what there is."""
    with pytest.raises(SettingsError, match=r"WIREROOM_BACKEND is 'gpt'.*auto, claude, cursor, demo"):
        choose_backend(Settings(backend="gpt"), {})


def test_agent_environment_is_an_allow_list() -> None:
    """Common variables and the named ones pass; nothing of ours and nothing unknown does."""
    ours = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "https_proxy": "http://p",
        "SSL_CERT_FILE": "/c",
        "ANTHROPIC_API_KEY": "k",
        "WEBHOOK_SECRET": "s",
        "TELEGRAM_BOT_TOKEN": "s",
        "WIREROOM_DATABASE_URL": "s",
        "AWS_SECRET_ACCESS_KEY": "s",
        "LD_PRELOAD": "s",
    }
    common = {"PATH", "HOME", "LC_ALL", "https_proxy", "SSL_CERT_FILE"}
    assert set(agent_environment(ours)) == common
    assert set(agent_environment(ours, "ANTHROPIC_*")) == {*common, "ANTHROPIC_API_KEY"}
