"""The three ways to have an agent serve a request: read its stream, talk with it, or call one elsewhere.

Each returns the same: how it ended and what the agent says of it. The log, the lease and the verdict are
`runs.agent_call`'s.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from wireroom.backends.protocol import (
    AgentRequest,
    AgentResult,
    Backend,
    CalledBackend,
    Command,
    InteractiveBackend,
)
from wireroom.runs.agent_host import AbroadHost, AgentHost
from wireroom.runs.dialogue import Dialogue
from wireroom.runs.limits import Ending, Limits
from wireroom.runs.output import Captured
from wireroom.runs.process_group import ProcessMark
from wireroom.runs.supervisor import Outcome, Receivers, supervise

_CLOSED = "The agent closed its output before it had answered."
_ENDED = "The agent ended before it had answered."
_NOTHING = Captured(head=b"", tail=b"", total_bytes=0)


@dataclass(frozen=True, slots=True)
class Served:
    """How an agent served a request."""

    outcome: Outcome
    result: AgentResult
    command: tuple[str, ...] = ()
    """Its command line."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What watches over a process."""

    limits: Limits
    stop: asyncio.Event
    spill_dir: Path
    scope: str
    on_started: Callable[[ProcessMark], Awaitable[None]]
    on_error_line: Callable[[str], None]


async def read_stream(backend: Backend, request: AgentRequest, host: AgentHost, watch: Watch) -> Served:
    """Start the program and read what it writes."""
    command = await _prepared(backend.command(request))
    parser = backend.parser()

    def take_line(line: str) -> None:
        for event in parser.feed(line):
            host.emit(event)

    receivers = Receivers(take_line, watch.on_error_line, watch.on_started)
    outcome = await supervise(
        command,
        watch.limits,
        receivers,
        cancel=watch.stop,
        spill_dir=watch.spill_dir,
        scope=watch.scope,
    )
    return Served(outcome, parser.result(outcome.exit_code, outcome.stderr.text), command.argv)


async def talk_with(
    backend: InteractiveBackend, request: AgentRequest, host: AgentHost, watch: Watch
) -> Served:
    """Start the program and talk with it until it has answered."""
    command = await _prepared(backend.command(request))
    results: list[AgentResult] = []

    async def talk(dialogue: Dialogue) -> None:
        host.dialogue = dialogue
        results.append(await backend.converse(request, dialogue, host))

    receivers = Receivers(lambda _: None, watch.on_error_line, watch.on_started)
    outcome = await supervise(
        command,
        watch.limits,
        receivers,
        cancel=watch.stop,
        spill_dir=watch.spill_dir,
        scope=watch.scope,
        talk=talk,
    )
    # A talk that was cut short has no result; what was said until then is kept.
    result = results[0] if results else AgentResult(host.said, is_error=True)
    return Served(*_as_server(outcome, result), command.argv)


async def call_elsewhere(
    backend: CalledBackend, request: AgentRequest, host: AbroadHost, limits: Limits, *, stop: asyncio.Event
) -> Served:
    """Have the request served elsewhere, within the hard limit."""
    started = time.monotonic()
    calling = asyncio.create_task(backend.call(request, host), name="remote call")
    stopped = asyncio.create_task(_set(stop), name="remote call stop")
    try:
        await asyncio.wait(
            {calling, stopped}, timeout=limits.hard.total_seconds(), return_when=asyncio.FIRST_COMPLETED
        )
        ending = Ending.EXITED
        result = AgentResult(host.said, is_error=True)
        if calling.done():
            result = calling.result()
        else:
            ending = Ending.CANCELLED if stop.is_set() else Ending.HARD_TIMEOUT
    finally:
        calling.cancel()
        stopped.cancel()
        await asyncio.gather(calling, stopped, return_exceptions=True)
    duration = timedelta(seconds=time.monotonic() - started)
    code = result.exit_code if ending is Ending.EXITED else None
    return Served(Outcome(ending, code, None, _NOTHING, _NOTHING, duration), result)


def _as_server(outcome: Outcome, result: AgentResult) -> tuple[Outcome, AgentResult]:
    """Return both as those of a program that serves until it is ended.

    That we end it once it has answered is no failure of it; an answer that never came is one, whatever it
    returned.
    """
    if outcome.ending is not Ending.EXITED:
        return outcome, result
    if not result.is_error:
        return replace(outcome, exit_code=0, signal=None), result
    if result.error is None and outcome.signal == signal.SIGTERM:
        result = replace(result, error=_CLOSED)
    elif result.error is None and outcome.exit_code == 0:
        result = replace(result, error=_ENDED)
    if result.error is not None:
        outcome = replace(outcome, exit_code=outcome.exit_code or 1, signal=None)
    return outcome, result


async def _prepared(command: Command) -> Command:
    """Write the files that the command wants."""
    if command.files:
        await asyncio.to_thread(_write_files, command.files)
    return command


def _write_files(files: Mapping[Path, bytes]) -> None:
    for path, content in files.items():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)


async def _set(event: asyncio.Event) -> None:
    await event.wait()
