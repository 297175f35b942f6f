"""The coding agents that this installation could use: what each needs, and what of it is there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wireroom.backends.registry import FURTHER_NAMES, NAMES, program_of
from wireroom.doctor.plain import without_secrets
from wireroom.errors import NotFound
from wireroom.settings import Settings


@dataclass(frozen=True, slots=True)
class _Known:
    title: str
    variable: str
    """The setting that names its program, its command line or its address; empty: none is needed."""
    how: str
    """How to get it."""


_KNOWN: Mapping[str, _Known] = MappingProxyType(
    {
        "claude": _Known(
            "Claude Code",
            "WIREROOM_CLAUDE_CLI_PATH",
            "install it with `npm install -g @anthropic-ai/claude-code` and log in by starting `claude` once",
        ),
        "cursor": _Known(
            "Cursor", "CURSOR_CLI_PATH", "install it from cursor.com/cli and log in with `cursor-agent login`"
        ),
        "codex": _Known(
            "Codex",
            "WIREROOM_CODEX_CLI_PATH",
            "install it with `npm install -g @openai/codex` and log in with `codex login`",
        ),
        "gemini": _Known(
            "Gemini CLI",
            "WIREROOM_GEMINI_CLI_PATH",
            "install it with `npm install -g @google/gemini-cli` and log in by starting `gemini` once",
        ),
        "opencode": _Known(
            "OpenCode",
            "WIREROOM_OPENCODE_CLI_PATH",
            "install it with `npm install -g opencode-ai` and log in with `opencode auth login`",
        ),
        "demo": _Known("Demo agent", "", ""),
        "acp": _Known(
            "Agent Client Protocol",
            "WIREROOM_ACP_COMMAND",
            "give the command line of an agent, such as `opencode acp`",
        ),
        "remote": _Known(
            "Remote runner", "CURSOR_RUNNER_URL", "give the address of a runner, such as http://runner:3001"
        ),
    }
)


@dataclass(frozen=True, slots=True)
class BackEndView:
    """A back end as people see it."""

    name: str
    title: str
    is_default: bool
    """It serves new runs that name none."""
    is_ready: bool
    """Its program is there, or its setting is made; whether it works, a trial tells."""
    found: str
    """Where its program or its runner is, or what was looked for in vain; empty: it comes with Wireroom."""
    variable: str
    """The setting that names it; empty: none."""
    mend: str
    """What to do where it is not ready; empty where it is."""


def list_back_ends(settings: Settings, environment: Mapping[str, str], default: str) -> Sequence[BackEndView]:
    """Return all back ends, in the order in which `auto` looks for them; looks at the PATH alone.

    Args:
        settings: The installation's.
        environment: Ours; programs are looked for on its PATH.
        default: The name of the one that serves new runs.
    """
    return [_view(name, settings, environment, default) for name in (*NAMES, *FURTHER_NAMES)]


def view_back_end(name: str, settings: Settings, environment: Mapping[str, str], default: str) -> BackEndView:
    """Return one back end.

    Raises:
        NotFound: there is none of this name.
    """
    if name not in _KNOWN:
        raise NotFound(f"There is no back end {name}. Known: {', '.join(_KNOWN)}.")
    return _view(name, settings, environment, default)


def _view(name: str, settings: Settings, environment: Mapping[str, str], default: str) -> BackEndView:
    known = _KNOWN[name]
    is_ready, found = _looked_for(name, settings, environment)
    mend = "" if is_ready else f"{known.how}{_or_set(name, known)}"
    return BackEndView(
        name=name,
        title=known.title,
        is_default=name == default,
        is_ready=is_ready,
        found=found,
        variable=known.variable,
        mend=mend,
    )


def _looked_for(name: str, settings: Settings, environment: Mapping[str, str]) -> tuple[bool, str]:
    """Return whether it is there, and where; else what was looked for."""
    if name == "demo":
        return True, ""
    if name == "remote":
        return bool(settings.cursor_runner_url), without_secrets(settings.cursor_runner_url)
    if name == "acp" and not settings.acp_command:
        return False, ""
    program = program_of(name, settings) or ""
    place = shutil.which(program, path=environment.get("PATH", ""))
    return place is not None, place or program


def _or_set(name: str, known: _Known) -> str:
    if name in FURTHER_NAMES:
        return f" in {known.variable}"
    return f"; or set {known.variable} to where its program is"
