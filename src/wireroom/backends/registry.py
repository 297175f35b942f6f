"""Which back end serves the runs: the one that was asked for, else the first that is installed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from wireroom.backends.claude import ClaudeBackend
from wireroom.backends.cursor import CursorBackend
from wireroom.backends.demo import DemoBackend
from wireroom.backends.protocol import Backend
from wireroom.errors import SettingsError
from wireroom.settings import Settings

NAMES = ("claude", "cursor", "demo")
"""In the order of preference; the demo agent is always there."""


def choose_backend(settings: Settings, environment: Mapping[str, str]) -> Backend:
    """Return the back end that `WIREROOM_BACKEND` names, or with `auto` the first that is installed.

    `environment` is ours; the agents see their allow list of it. An agent that was named is not looked for: a
    missing program is reported by the run that needs it, and by `wireroom doctor`.

    Raises:
        SettingsError: no back end has that name.
    """
    name = settings.backend.strip().lower() or "auto"
    if name == "auto":
        name = next(name for name in NAMES if name == "demo" or _is_installed(name, settings, environment))
    match name:
        case "claude":
            return ClaudeBackend(settings.claude_cli_path, environment, settings.claude_permission_mode)
        case "cursor":
            return CursorBackend(settings.cursor_cli_path, environment)
        case "demo":
            return DemoBackend(environment)
    raise SettingsError(
        f"WIREROOM_BACKEND is {settings.backend!r}, which is no back end; choose auto, {', '.join(NAMES)}"
    )


def _is_installed(name: str, settings: Settings, environment: Mapping[str, str]) -> bool:
    program = settings.claude_cli_path if name == "claude" else settings.cursor_cli_path
    return shutil.which(program, path=environment.get("PATH", "")) is not None
