"""The real programs: how each finds the scripted model, and what it calls its tools.

Everything is configured as a person would: a file in the agent's HOME, a variable in the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Configure = Callable[[Path, str], dict[str, str]]
"""Writes into the agent's HOME what it needs to ask the model at an address; returns variables for it."""

WAITING = "tail -f waiting.txt"
"""A command that ends only when it is killed, if the file is there, and that every agent below may run."""


@dataclass(frozen=True, slots=True)
class Program:
    """One coding agent."""

    name: str
    """The back end's name."""
    configure: Configure
    mcp_tool: str
    """What it calls the tool `weather` of the MCP server `sky`."""

    def version(self, folder: Path) -> str:
        """Return what the installed program says of itself."""
        asked = subprocess.run(
            [folder / self.name, "--version"], capture_output=True, text=True, timeout=60, check=True
        )
        return asked.stdout.strip().splitlines()[-1]


def program_folder() -> Path:
    """Return the folder with the agents' programs, which `make test-agents` names."""
    return Path(os.environ["WIREROOM_TEST_AGENTS"])


def base_environment(folder: Path) -> dict[str, str]:
    """Return a person's environment with these programs, in which loopback needs no proxy."""
    return {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def _claude(home: Path, url: str) -> dict[str, str]:
    _write(home / ".claude" / "settings.json", {"permissions": {"allow": [f"Bash({WAITING})"]}})
    return {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_API_KEY": "dummy",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(home: Path, url: str) -> dict[str, str]:
    lines = (
        'model = "gpt-5.5"',
        'model_provider = "scripted"',
        "[model_providers.scripted]",
        'name = "scripted"',
        f'base_url = "{url}/v1"',
        'wire_api = "responses"',
        'env_key = "OPENAI_API_KEY"',
    )
    folder = home / ".codex"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text("\n".join(lines), encoding="utf-8")
    return {"OPENAI_API_KEY": "dummy"}


def _gemini(home: Path, url: str) -> dict[str, str]:
    allowed = {"allowed": [f"run_shell_command({WAITING.split(maxsplit=1)[0]})"]}
    login = {"auth": {"selectedType": "gemini-api-key"}}
    _write(home / ".gemini" / "settings.json", {"security": login, "tools": allowed})
    return {"GEMINI_API_KEY": "dummy", "GOOGLE_GEMINI_BASE_URL": url}


def _opencode(home: Path, url: str) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Scripted",
        "options": {"baseURL": f"{url}/v1", "apiKey": "dummy"},
        "models": {"big": {"name": "Big", "tool_call": True}},
    }
    config = {"model": "scripted/big", "provider": {"scripted": provider}}
    _write(home / ".config" / "opencode" / "opencode.json", config)
    return {}


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


PROGRAMS = (
    Program("claude", _claude, "mcp__sky__weather"),
    Program("codex", _codex, "mcp__sky.weather"),
    Program("gemini", _gemini, "mcp_sky_weather"),
    Program("opencode", _opencode, "sky_weather"),
)
"""An agent more is an entry here, and its package in the Makefile."""
