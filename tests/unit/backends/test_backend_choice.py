"""Which back end is chosen, and what of our environment its program sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from wireroom.app.backends import Backends
from wireroom.backends.environment import agent_environment
from wireroom.backends.protocol import AgentRequest
from wireroom.backends.registry import NAMES, any_backend, choose_backend, program_of
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
        (("opencode", "gemini", "codex"), "auto", "codex"),
        (("opencode", "gemini"), "auto", "gemini"),
        (("opencode",), "auto", "opencode"),
        (("claude",), "codex", "codex"),
    ],
)
def test_choice_prefers_the_name_then_what_is_installed(
    tmp_path: Path, programs: tuple[str, ...], wish: str, chosen: str
) -> None:
    """A name wins even over what is missing; else the first in the order of the registry."""
    environment = installed(tmp_path, *programs)
    settings = Settings(backend=wish, cursor_cli_path="cursor-agent", claude_cli_path="claude")
    assert choose_backend(settings, environment).name == chosen


def test_choice_finds_cursor_by_its_own_path(tmp_path: Path) -> None:
    """`CURSOR_CLI_PATH` may be a full path outside of the PATH."""
    installed(tmp_path, "agent-of-mine")
    settings = Settings(backend="auto", cursor_cli_path=str(tmp_path / "agent-of-mine"))
    assert choose_backend(settings, {"PATH": "/nowhere"}).name == "cursor"


def test_choice_knows_agents_that_are_talked_with_or_called() -> None:
    """`acp` and `remote` are found by name alone; all others are as `choose_backend` has them."""
    names = ("acp", " Remote ", "demo")
    assert [any_backend(Settings(backend=name), {}).name for name in names] == ["acp", "remote", "demo"]


def test_choice_of_an_unknown_name_lists_the_known_ones() -> None:
    """A name that is no back end stops the program and says what there is."""
    with pytest.raises(SettingsError, match=r"WIREROOM_BACKEND is 'gpt'.*auto, claude, cursor,.* demo"):
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


@pytest.mark.parametrize("name", [name for name in NAMES if name != "demo"])
def test_choice_names_the_program_of_each_agent(name: str) -> None:
    """Every agent but the demo has a program that settings name."""
    assert program_of(name, Settings())
    assert program_of("demo", Settings()) is None


@pytest.mark.parametrize("name", NAMES)
def test_choice_gives_each_agent_its_own_home(tmp_path: Path, name: str) -> None:
    """With a folder of homes an agent's HOME is in it, and nothing leads back to ours."""
    ours = {"PATH": "/bin", "HOME": "/home/ada", "XDG_CONFIG_HOME": "/home/ada/.config"}
    backend = choose_backend(Settings(backend=name, agent_home=tmp_path), ours)
    env = backend.command(AgentRequest("hello", tmp_path)).env
    assert env == {"PATH": "/bin", "HOME": str(tmp_path / name)}
    backend = choose_backend(Settings(backend=name), ours)
    assert backend.command(AgentRequest("hello", tmp_path)).env == ours


@pytest.mark.parametrize(("name", "resumes"), [("cursor", False), ("gemini", False), ("codex", True)])
def test_choice_knows_who_forgets_with_mcp_servers(name: str, resumes: bool) -> None:
    """An agent whose servers need a home of their own cannot resume the sessions of another."""
    backend = choose_backend(Settings(backend=name, mcp_servers=("sky",)), {})
    assert backend.resumes_sessions is resumes
    assert choose_backend(Settings(backend=name), {}).resumes_sessions


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("claude", "ANTHROPIC_BASE_URL"),
        ("codex", "CODEX_API_KEY"),
        ("codex", "OPENAI_BASE_URL"),
        ("gemini", "GEMINI_API_KEY"),
        ("gemini", "GOOGLE_GEMINI_BASE_URL"),
        ("opencode", "OPENCODE_CONFIG"),
        ("opencode", "ANTHROPIC_API_KEY"),
    ],
)
def test_choice_lets_an_agent_see_its_own_variables(tmp_path: Path, name: str, variable: str) -> None:
    """Keys and addresses of its own provider pass; the keys of another agent do not."""
    ours = {variable: "mine", "CURSOR_API_KEY": "another's", "WIREROOM_API": "ours"}
    backend = choose_backend(Settings(backend=name), ours)
    assert backend.command(AgentRequest("hello", tmp_path)).env == {variable: "mine"}


def test_installation_makes_the_home_of_its_agent(tmp_path: Path) -> None:
    """The folder is there before the agent is, closed to others; agents that are not used have none."""
    backends = Backends(Settings(backend="demo", agent_home=tmp_path / "homes"), {})
    backends.get("codex")
    assert sorted(home.name for home in (tmp_path / "homes").iterdir()) == ["codex", "demo"]
    assert (tmp_path / "homes" / "codex").stat().st_mode & 0o777 == 0o700
