"""Talks with Claude Code while it works: on its `stream-json` input people's words may follow the prompt.

Words that come during a turn are taken between two of its tools, or begin another turn after its end. It
says so by repeating the line with `isReplay`, under the line's own `uuid` (seen with 2.1.330).
Source: Claude Code documentation, CLI reference, `--input-format` and `--replay-user-messages`.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterable
from typing import Protocol

from wireroom.backends.protocol import AgentEvent, AgentRequest, AgentResult, Host, Wire, Words
from wireroom.backends.telling import Telling
from wireroom.backends.wire import framed_prompt, read_object, text_of

_SPACE = uuid.UUID("6f1d2c52-6a0f-4a8e-9f5e-9a0a3c1f7d10")
"""Where the ids of lines are made from the ids of words, since Claude Code takes UUIDs alone."""


class TurnReader(Protocol):
    """Reads the lines of one run, which may have several turns."""

    turns: int
    """Turns that have ended."""

    def feed(self, line: str) -> Iterable[AgentEvent]:
        """Return the events of one line."""
        ...

    def result(self, exit_code: int | None, stderr: str = "") -> AgentResult:
        """Return what is known at the end."""
        ...


async def converse(reader: TurnReader, request: AgentRequest, wire: Wire, host: Host) -> AgentResult:
    """Ask, hand on what people say, and return how it went once a turn has ended and nothing is unheard."""
    reading = asyncio.create_task(_talk(reader, request, wire, host), name="claude talk")
    stopping = asyncio.create_task(wire.stop.wait(), name="claude stop")
    try:
        await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
    finally:
        for task in (reading, stopping):
            task.cancel()
        await asyncio.gather(reading, stopping, return_exceptions=True)
    return reader.result(None)


async def _talk(reader: TurnReader, request: AgentRequest, wire: Wire, host: Host) -> None:
    said: dict[str, str] = {}

    async def send(words: Words) -> None:
        line_id = str(uuid.uuid5(_SPACE, words.id))
        said[line_id] = words.id
        await wire.send(user_line(words.text, line_id))

    await wire.send(user_line(framed_prompt(request).decode(), str(uuid.uuid4())))
    async with Telling(host, send) as telling:
        while (line := await wire.receive()) is not None:
            before = reader.turns
            for event in reader.feed(line):
                host.emit(event)
            if (line_id := replayed(line)) in said:
                await telling.heard(said[line_id])
            if reader.turns > before:
                if await telling.pause():
                    return
                telling.go_on()


def user_line(text: str, line_id: str) -> str:
    """Return the line that says something. Pure."""
    message = {"role": "user", "content": text}
    return json.dumps({"type": "user", "uuid": line_id, "message": message, "parent_tool_use_id": None})


def replayed(line: str) -> str:
    """Return the id of the line that this one repeats, empty for any other. Pure."""
    if '"isReplay"' not in line:
        return ""
    fields = read_object(line) or {}
    is_replay = fields.get("type") == "user" and fields.get("isReplay") is True
    return text_of(fields.get("uuid")) if is_replay else ""
