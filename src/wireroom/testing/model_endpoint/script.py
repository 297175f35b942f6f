"""What the model shall do, turn by turn, and which turn a request has reached. Pure.

The position is read from the request itself: the model's turns since the person's words that the script is
for. So an agent may repeat a request, ask for a title in between, or come back later with its session.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from wireroom.testing.model_endpoint.conversation import Asked, Role, ToolCall


@dataclass(frozen=True, slots=True)
class Say:
    """Answer with text."""

    text: str


@dataclass(frozen=True, slots=True)
class CallTool:
    """Call a tool by the agent's own name for it; `group.name` for a tool of a namespace of OpenAI's."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Have a file written, by whichever tool the agent offers for it."""

    path: str
    """Best absolute: some agents take no other."""
    content: str


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Have a shell command run, by whichever tool the agent offers for it."""

    command: str


@dataclass(frozen=True, slots=True)
class Hang:
    """Answer nothing until the agent goes away or the endpoint is closed."""


@dataclass(frozen=True, slots=True)
class Fail:
    """Answer with an error, `times` times; then the script goes on as if this turn were not there."""

    status: int = 500
    message: str = "The scripted model fails."
    times: int | None = None
    """None for always; agents repeat requests that fail with 429 or 5xx."""


Turn = Say | CallTool | WriteFile | RunCommand | Hang | Fail


@dataclass(slots=True, eq=False)
class Script:
    """What happens after a person said something that contains `when`."""

    when: str
    turns: Sequence[Turn]
    failed: int = 0
    """How often its failing turn was taken."""

    def turn(self, position: int) -> Turn | None:
        """Return the turn at this position and count its failure; None beyond the end."""
        turns = list(self.turns)
        while position < len(turns):
            turn = turns[position]
            if not isinstance(turn, Fail) or turn.times is None:
                return turn
            if self.failed < turn.times:
                self.failed += 1
                return turn
            del turns[position]
        return None


def choose_turn(scripts: Sequence[Script], asked: Asked) -> Turn | None:
    """Return the turn that the request has reached, None when no script is for it or it is over.

    The script whose words were said last is meant; of several said at once, the one set last.
    """
    found = [
        (where, number) for number, script in enumerate(scripts) if (where := _where(script, asked)) >= 0
    ]
    if not found:
        return None
    where, number = max(found)
    return scripts[number].turn(_model_turns(asked, where))


def _where(script: Script, asked: Asked) -> int:
    """Return the index of the last of a person's messages that has the script's words, else -1."""
    said = (
        index
        for index, message in enumerate(asked.messages)
        if message.role is Role.USER and script.when in message.text
    )
    return max(said, default=-1)


def _model_turns(asked: Asked, where: int) -> int:
    roles = [message.role for message in asked.messages[where:]]
    return sum(now is Role.MODEL and before is not Role.MODEL for before, now in pairwise(roles))


_WRITERS: Mapping[str, Callable[[str, str], dict[str, Any]]] = {
    "Write": lambda path, content: {"file_path": path, "content": content},
    "write_file": lambda path, content: {"file_path": path, "content": content},
    "write": lambda path, content: {"filePath": path, "content": content},
}
_SHELLS: Mapping[str, Callable[[str], dict[str, Any]]] = {
    "Bash": lambda command: {"command": command, "description": "Runs it"},
    "bash": lambda command: {"command": command, "description": "Runs it"},
    "exec_command": lambda command: {"cmd": command},
    "shell_command": lambda command: {"command": command},
    "shell": lambda command: {"command": ["bash", "-lc", command]},
    "run_shell_command": lambda command: {"command": command, "description": "Runs it"},
}
"""Tools and their arguments. Source: the tools offered by Claude Code, Gemini CLI, OpenCode and Codex."""


def tool_call(turn: CallTool | WriteFile | RunCommand, offered: frozenset[str]) -> ToolCall | None:
    """Return the call in the agent's own terms; None when it offers no such tool."""
    match turn:
        case CallTool(name, arguments):
            return ToolCall(name, arguments) if offered else None
        case WriteFile(path, content):
            for name, build in _WRITERS.items():
                if name in offered:
                    return ToolCall(name, build(path, content))
            return tool_call(RunCommand(f"printf %s {shlex.quote(content)} > {shlex.quote(path)}"), offered)
        case RunCommand(command):
            shells = (ToolCall(name, build(command)) for name, build in _SHELLS.items() if name in offered)
            return next(shells, None)
