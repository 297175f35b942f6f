"""An agent of the Agent Client Protocol that does exactly what it is told, as a real process.

The prompt is its script: `say hello; ask execute rm -rf build; write notes.txt done`. The steps are listed in
`acp_agent_program`.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from wireroom.backends.acp import AcpBackend

_PROGRAM = Path(__file__).with_name("acp_agent_program.py")


class ScriptedAcpAgent:
    """The executable; `folder` holds its sessions, its gates and the record of what it was sent."""

    def __init__(self, folder: Path, *, can_load: bool = True, login: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._more = [*([] if can_load else ["--no-load"]), *(["--login", login] if login else [])]

    @property
    def command(self) -> str:
        """The command line, as for `WIREROOM_ACP_COMMAND`."""
        files = ["--state", str(self._folder / "sessions"), "--ledger", str(self._folder / "received")]
        return shlex.join([sys.executable, "-I", "-S", str(_PROGRAM), *files, *self._more])

    def backend(self) -> AcpBackend:
        """Return the back end that starts it."""
        return AcpBackend(self.command, {"PATH": os.environ.get("PATH", "")})

    def received(self, method: str = "") -> list[dict[str, Any]]:
        """Return what the processes of this folder were sent, oldest first; of one method, or all."""
        path = self._folder / "received"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        messages = [json.loads(line) for line in lines]
        return [message for message in messages if not method or message.get("method") == method]

    def forget_sessions(self) -> None:
        """Let no session be known any more."""
        (self._folder / "sessions").unlink(missing_ok=True)

    def gate(self, name: str) -> str:
        """Return the step that waits until `open_gate` of the same name."""
        return f"gate {self._folder / name}"

    def open_gate(self, name: str) -> None:
        """Let the agents at this gate go on, and all that come later."""
        (self._folder / name).touch()
