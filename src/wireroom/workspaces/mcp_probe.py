"""Asks an MCP server over standard input and output whether it starts, and ends it again whatever it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from wireroom import __version__
from wireroom.backends.protocol import McpServer
from wireroom.workspaces.program import Child

_PROTOCOL = "2025-06-18"
_LONGEST_LINE = 1_048_576
_KEPT_ERROR_BYTES = 4096
_LONGEST_REASON = 200
_DRAIN_SECONDS = 0.5
_INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": _PROTOCOL,
        "capabilities": {},
        "clientInfo": {"name": "wireroom", "version": __version__},
    },
}
"""Source: Model Context Protocol 2025-06-18, lifecycle; messages are lines of JSON."""


async def probe(server: McpServer, *, cwd: Path, env: Mapping[str, str], limit: timedelta) -> str | None:
    """Start the server, greet it, and return None when it answers; else why it is of no use.

    The reason may hold what the server wrote, so its secrets as well.

    Args:
        server: One with a command.
        cwd: Where to start it.
        env: The environment that an agent would give it, without the server's own variables.
        limit: Longest wait for the answer.
    """
    answer, errors = _Answer(), bytearray()

    def note(piece: bytes) -> None:
        errors.extend(piece)
        del errors[:-_KEPT_ERROR_BYTES]

    argv, whole = [server.command, *server.args], {**env, **server.env}
    try:
        async with Child(argv, cwd=cwd, env=whole, takes_input=True) as child:
            out, err = child.pipes
            stdout, stderr = child.read(out, answer.add), child.read(err, note)
            stdout.add_done_callback(lambda _: answer.settled.set())
            child.write(json.dumps(_INITIALIZE).encode() + b"\n")
            async with asyncio.timeout(limit.total_seconds()):
                await answer.settled.wait()
            if not answer.came:
                await asyncio.wait([stderr], timeout=_DRAIN_SECONDS)
    except TimeoutError:
        return f"it did not answer within {limit.total_seconds():g} s{_said(errors)}"
    except (OSError, ValueError) as error:
        return f"{server.command} cannot be started: {error}"
    return answer.refusal if answer.came else f"it ended without an answer{_said(errors)}"


class _Answer:
    """Looks for the answer among the lines of standard output."""

    def __init__(self) -> None:
        self.came = False
        self.settled = asyncio.Event()
        """Set by the answer; also by the end of the output, which `probe` sees."""
        self.refusal: str | None = None
        self._rest = b""

    def add(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self._rest = self._rest[:_LONGEST_LINE]
        for line in lines:
            if not self.came:
                self._look(line)

    def _look(self, line: bytes) -> None:
        """Note an answer to our request; pass over anything else, such as a banner."""
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            return
        if not isinstance(message, dict) or message.get("id") != _INITIALIZE["id"]:
            return
        if "error" in message:
            self.refusal = f"it refused to start: {str(message['error'])[:_LONGEST_REASON]}"
        elif not isinstance(message.get("result"), dict):
            return
        self.came = True
        self.settled.set()


def _said(errors: bytes | bytearray) -> str:
    """Return the last line of standard error, to be appended to a reason."""
    lines = [line.strip() for line in bytes(errors).decode(errors="replace").splitlines() if line.strip()]
    return f" ({lines[-1][:_LONGEST_REASON]})" if lines else ""
