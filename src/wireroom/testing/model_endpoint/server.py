"""The HTTP side of the scripted model: paths in, replies out, and a memory of what was asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from wireroom.testing.model_endpoint.anthropic import AnthropicMessages
from wireroom.testing.model_endpoint.conversation import Asked, Reply, Role, Wire, smallest_value
from wireroom.testing.model_endpoint.gemini import Gemini
from wireroom.testing.model_endpoint.openai_chat import OpenAIChat
from wireroom.testing.model_endpoint.openai_responses import OpenAIResponses
from wireroom.testing.model_endpoint.script import (
    CallTool,
    Fail,
    Hang,
    RunCommand,
    Say,
    Script,
    Turn,
    WriteFile,
    choose_turn,
    tool_call,
)

_MAX_BODY_BYTES = 64 * 1024 * 1024
_GEMINI_PATH = re.compile(r"/models/(?P<model>[^/:]+):(?P<verb>\w+)$")
_COUNTS = {"input_tokens": 100, "totalTokens": 100}
"""The answer to a request for a count of tokens, in Anthropic's and in Gemini's words."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request for the model's words, as it came."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    asked: Asked

    @property
    def prompts(self) -> list[str]:
        """What people said in the conversation so far, oldest first."""
        return self.asked.texts(Role.USER)


class ModelEndpoint:
    """Plays a model on 127.0.0.1.

    async with ModelEndpoint() as model:
        model.script("mend it", WriteFile("/srv/shop/app.py", "1 + 1"), Say("Mended."))
        # ... run an agent with ANTHROPIC_BASE_URL=model.url and any key ...
        assert "mend it" in model.requests[0].prompts[-1]
    """

    def __init__(self, otherwise: str = "Nothing was scripted for this.") -> None:
        """Prepare; `otherwise` answers what no script is for, such as an agent's wish for a title."""
        self.requests: list[SeenRequest] = []
        """Requests for words, oldest first."""
        self.strays: list[str] = []
        """`METHOD /path` of everything that was answered 404."""
        self.hanging = 0
        """Requests that hang now."""
        self._otherwise = otherwise
        self._scripts: list[Script] = []
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def script(self, when: str, *turns: Turn) -> None:
        """Follow these turns after a person has said something that contains `when`.

        A conversation is where its own messages say, so scripts of several agents do not meet. Of scripts
        whose words stand in the same message, the one set last is followed.
        """
        self._scripts.append(Script(when, turns))

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The base URL without a path, such as http://127.0.0.1:40123; OpenAI's clients want `/v1` added.

        Raises:
            RuntimeError: the endpoint is not started.
        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the endpoint is not started; use it with `async with`")
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if request.method == "POST" and path.endswith(("/count_tokens", ":countTokens")):
            return web.json_response(_COUNTS)
        wire = _wire_of(path) if request.method == "POST" else None
        if wire is None:
            self.strays.append(f"{request.method} {request.path}")
            return web.json_response({"error": {"message": f"No model answers at {path}"}}, status=404)
        try:
            body = _with_path(path, json.loads(await request.read()))
        except ValueError as error:
            return web.json_response(wire.failure(400, f"The body is no JSON object: {error}"), status=400)
        seen = SeenRequest(request.path, dict(request.headers), body, wire.read(body))
        self.requests.append(seen)
        return await self._answer(request, wire, seen.asked)

    async def _answer(self, request: web.Request, wire: Wire, asked: Asked) -> web.StreamResponse:
        turn = None if asked.schema else choose_turn(self._scripts, asked)
        if isinstance(turn, Fail):
            return web.json_response(wire.failure(turn.status, turn.message), status=turn.status)
        if isinstance(turn, Hang):
            await self._hang()
            return web.json_response(wire.failure(503, "The endpoint was closed."), status=503)
        reply = self._reply(asked, turn)
        if not asked.streams:
            return web.json_response(wire.whole(reply))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in wire.stream(reply):
            await response.write(event.encode())
        await response.write_eof()
        return response

    async def _hang(self) -> None:
        self.hanging += 1
        try:
            await self._closing.wait()
        finally:
            self.hanging -= 1

    def _reply(self, asked: Asked, turn: Say | CallTool | WriteFile | RunCommand | None) -> Reply:
        number = len(self.requests)
        if asked.schema is not None:
            return Reply(number, asked.model, json.dumps(smallest_value(asked.schema)))
        match turn:
            case None:
                return Reply(number, asked.model, self._otherwise)
            case Say(text):
                return Reply(number, asked.model, text)
        call = tool_call(turn, asked.tools)
        if call is not None:
            return Reply(number, asked.model, call=call)
        why = f"No tool for {turn!r} among {sorted(asked.tools)}." if asked.tools else self._otherwise
        return Reply(number, asked.model, why)


def _wire_of(path: str) -> Wire | None:
    if path.endswith("/messages"):
        return AnthropicMessages()
    if path.endswith("/responses"):
        return OpenAIResponses()
    if path.endswith("/chat/completions"):
        return OpenAIChat()
    found = _GEMINI_PATH.search(path)
    return Gemini() if found and found["verb"] in {"generateContent", "streamGenerateContent"} else None


def _with_path(path: str, body: Any) -> dict[str, Any]:
    """Return the body, with what Gemini's path says added to it.

    Raises:
        ValueError: the body is something else than an object.
    """
    if not isinstance(body, dict):
        raise ValueError(f"it is a {type(body).__name__}")  # noqa: TRY004 - one class for all that is no body
    found = _GEMINI_PATH.search(path)
    if found is None:
        return body
    return {**body, "model": found["model"], "stream": found["verb"].startswith("stream")}
