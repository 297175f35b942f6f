"""Tries a back end: starts its program for a moment, or asks its runner, in bounded time.

A program is asked for its version, an agent of the Agent Client Protocol is greeted, the demo agent makes a
run of its own. No model is called and nothing is spent; so whether somebody is logged in, only a run tells.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import aiohttp

from wireroom.backends import acp_messages as rpc
from wireroom.backends.demo import DemoParser
from wireroom.backends.protocol import AgentRequest, Backend, CalledBackend, Command
from wireroom.backends.registry import any_backend
from wireroom.backends.wire import mapping_of, text_of
from wireroom.doctor.back_ends import BackEndView, view_back_end
from wireroom.doctor.findings import Finding
from wireroom.doctor.plain import without_secrets
from wireroom.errors import WireroomError
from wireroom.settings import Settings
from wireroom.workspaces.program import Child, Finished, run_program

LIMIT = timedelta(seconds=12)
"""Longest answer of a program or a runner."""
_MOST_BYTES = 65_536
_MOST_CHARS = 200
_GREETING = 1


async def try_back_end(
    name: str, settings: Settings, environment: Mapping[str, str], limit: timedelta = LIMIT
) -> Finding:
    """Return what the trial found; a failure is a finding too.

    Raises:
        NotFound: there is no back end of this name.
    """
    view = view_back_end(name, settings, environment, default="")
    if not view.is_ready:
        text = f"{view.found} is not on the PATH" if view.found else f"{view.variable} is not set"
        return Finding(view.title, False, text, mend=view.mend)
    try:
        return await _try(view, settings, environment, limit)
    except TimeoutError:
        text = f"gave no answer within {limit.total_seconds():g} s"
        return Finding(view.title, False, text, mend=_by_hand(view))
    except (OSError, ValueError, WireroomError) as error:
        return Finding(view.title, False, f"cannot be started: {error}", mend=_by_hand(view))


async def _try(
    view: BackEndView, settings: Settings, environment: Mapping[str, str], limit: timedelta
) -> Finding:
    backend = any_backend(settings.model_copy(update={"backend": view.name}), environment)
    if isinstance(backend, CalledBackend):
        return await _ask_runner(view, settings.cursor_runner_url, limit)
    with tempfile.TemporaryDirectory(prefix="wireroom-trial-") as folder:
        command = backend.command(AgentRequest("", Path(folder)))
        if not isinstance(backend, Backend):
            return await _greet(view, command, limit)
        if view.name == "demo":
            return _judge_demo(view, await _run(command.argv, command, limit))
        return _judge_version(view, await _run((command.argv[0], "--version"), command, limit))


async def _run(argv: tuple[str, ...], command: Command, limit: timedelta) -> Finished:
    return await run_program(argv, cwd=command.cwd, env=command.env, limit=limit, most_bytes=_MOST_BYTES)


def _judge_version(view: BackEndView, ended: Finished) -> Finding:
    said = _first_line(ended.stdout) or _first_line(ended.stderr)
    if ended.code != 0:
        told = _first_line(ended.stderr) or said or "nothing"
        text = f"`{view.found} --version` ended with {ended.code} and said: {told}"
        return Finding(view.title, False, text, mend=_by_hand(view))
    return Finding(view.title, True, f"{view.found} starts; version {said or 'unknown'}")


def _judge_demo(view: BackEndView, ended: Finished) -> Finding:
    parser = DemoParser()
    for line in ended.stdout.decode(errors="replace").splitlines():
        list(parser.feed(line))
    result = parser.result(ended.code)
    if result.is_error:
        told = result.error or _first_line(ended.stderr) or f"it ended with {ended.code}"
        return Finding(view.title, False, f"its run failed: {told}", mend="reinstall Wireroom")
    return Finding(view.title, True, "made a run of its own")


async def _greet(view: BackEndView, command: Command, limit: timedelta) -> Finding:
    """Start an agent of the protocol and greet it, as each run begins."""
    heard: asyncio.Future[rpc.Answered | None] = asyncio.get_running_loop().create_future()
    rest = bytearray()

    def settle(answer: rpc.Answered | None) -> None:
        if not heard.done():
            heard.set_result(answer)

    def take(piece: bytes) -> None:
        rest.extend(piece)
        *lines, tail = bytes(rest).split(b"\n")
        rest[:] = tail[:_MOST_BYTES]
        for line in lines:
            message = rpc.read_message(line.decode(errors="replace"))
            if isinstance(message, rpc.Answered) and message.id == _GREETING:
                settle(message)

    async with Child(command.argv, cwd=command.cwd, env=command.env, takes_input=True) as child:
        out, err = child.pipes
        child.read(err, lambda _: None)
        child.read(out, take).add_done_callback(lambda _: settle(None))
        child.write(rpc.request(_GREETING, "initialize", rpc.initialize()).encode() + b"\n")
        async with asyncio.timeout(limit.total_seconds()):
            answer = await heard
    return _judge_greeting(view, answer)


def _judge_greeting(view: BackEndView, answer: rpc.Answered | None) -> Finding:
    if answer is None:
        return Finding(view.title, False, f"{view.found} ended without an answer", mend=_by_hand(view))
    if answer.error is not None:
        text = f"{view.found} refused: {answer.error[:_MOST_CHARS]}"
        return Finding(view.title, False, text, mend=_by_hand(view))
    agent = mapping_of(answer.result.get("agentInfo"))
    said = " ".join(filter(None, (text_of(agent.get("name")), text_of(agent.get("version")))))
    return Finding(view.title, True, f"{view.found} answers{f' as {said}' if said else ''}"[:_MOST_CHARS])


async def _ask_runner(view: BackEndView, url: str, limit: timedelta) -> Finding:
    """Ask a runner elsewhere for its health."""
    mend = "start the runner, or correct CURSOR_RUNNER_URL"
    shown = without_secrets(url)
    timeout = aiohttp.ClientTimeout(total=limit.total_seconds())
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{url.rstrip('/')}/health", allow_redirects=False) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, ValueError) as error:
        return Finding(view.title, False, f"{shown} cannot be reached: {type(error).__name__}", mend=mend)
    if status == 200:  # noqa: PLR2004 - the contract's
        return Finding(view.title, True, f"{shown} is healthy")
    return Finding(view.title, False, f"{shown} answers {status} on /health", mend=mend)


def _by_hand(view: BackEndView) -> str:
    return f"try it by hand as the user that Wireroom runs as, or correct {view.variable}"


def _first_line(output: bytes) -> str:
    lines = (line.strip() for line in output.decode(errors="replace").splitlines())
    return next((line for line in lines if line), "")[:_MOST_CHARS]
