"""Which back end serves the runs: the one that was asked for, else the first that is installed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from wireroom.backends.acp import AcpBackend
from wireroom.backends.claude import ClaudeBackend
from wireroom.backends.codex import CodexBackend
from wireroom.backends.cursor import CursorBackend
from wireroom.backends.demo import DemoBackend
from wireroom.backends.environment import at_home
from wireroom.backends.gemini import GeminiBackend
from wireroom.backends.opencode import OpenCodeBackend
from wireroom.backends.protocol import AnyBackend, Backend
from wireroom.backends.remote import RemoteBackend
from wireroom.errors import SettingsError
from wireroom.settings import Settings

NAMES = ("claude", "cursor", "codex", "gemini", "opencode", "demo")
"""In the order in which `auto` looks for them; the demo agent is always there."""


FURTHER_NAMES = ("acp", "remote")
"""Those that `auto` does not look for: they work by a setting of their own."""


def any_backend(settings: Settings, environment: Mapping[str, str]) -> AnyBackend:
    """Return the back end that `WIREROOM_BACKEND` names, of whatever kind; see `choose_backend`.

    Raises:
        SettingsError: no back end has that name.
    """
    match settings.backend.strip().lower():
        case "acp":
            return AcpBackend(settings.acp_command, at_home(environment, settings.agent_home, "acp"))
        case "remote":
            return RemoteBackend(settings.cursor_runner_url, settings.cursor_runner_secret.get_secret_value())
    return choose_backend(settings, environment)


def choose_backend(settings: Settings, environment: Mapping[str, str]) -> Backend:
    """Return the back end whose output is read, as settings name it, or with `auto` the first installed.

    `environment` is ours; the agents see their allow list of it. An agent that was named is not looked for: a
    missing program is reported by the run that needs it, and by `wireroom doctor`.

    Raises:
        SettingsError: no back end has that name.
    """
    name = settings.backend.strip().lower() or "auto"
    if name == "auto":
        name = next(name for name in NAMES if _is_installed(program_of(name, settings), environment))
    with_servers = bool(settings.mcp_servers)
    environment = at_home(environment, settings.agent_home, name)
    match name:
        case "claude":
            return ClaudeBackend(settings.claude_cli_path, environment, settings.claude_permission_mode)
        case "cursor":
            return CursorBackend(settings.cursor_cli_path, environment, with_servers=with_servers)
        case "codex":
            return CodexBackend(settings.codex_cli_path, environment, settings.codex_sandbox)
        case "gemini":
            return GeminiBackend(
                settings.gemini_cli_path,
                environment,
                settings.gemini_approval_mode,
                with_servers=with_servers,
            )
        case "opencode":
            return OpenCodeBackend(settings.opencode_cli_path, environment)
        case "demo":
            return DemoBackend(environment)
    raise SettingsError(
        f"WIREROOM_BACKEND is {settings.backend!r}, which is no back end; choose auto, "
        f"{', '.join((*NAMES, *FURTHER_NAMES))}"
    )


def program_of(name: str, settings: Settings) -> str | None:
    """Return the program that a back end starts, as settings name it; None when it needs none."""
    programs = {
        "claude": settings.claude_cli_path,
        "cursor": settings.cursor_cli_path,
        "codex": settings.codex_cli_path,
        "gemini": settings.gemini_cli_path,
        "opencode": settings.opencode_cli_path,
        "acp": settings.acp_command.partition(" ")[0] or "WIREROOM_ACP_COMMAND",
    }
    return programs.get(name)


def installed_names(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """Return the back ends that could work here: their program is there, or their setting is made."""
    found = [name for name in NAMES if _is_installed(program_of(name, settings), environment)]
    if settings.acp_command:
        found.append("acp")
    if settings.cursor_runner_url:
        found.append("remote")
    return found


def _is_installed(program: str | None, environment: Mapping[str, str]) -> bool:
    return program is None or shutil.which(program, path=environment.get("PATH", "")) is not None
