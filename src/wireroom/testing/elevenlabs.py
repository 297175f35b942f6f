"""A real HTTP server on loopback that answers as ElevenLabs does, with faults and a memory.

It plays POST /v1/speech-to-text, POST /v1/text-to-speech/{voice_id} and GET
/v1/convai/conversation/get-signed-url for one key. What is heard and what is spoken is the test's choice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import BodyPartReader, web

DEFAULT_KEY = "el-test-key"
_HEAR = "/v1/speech-to-text"
_SPEAK = "/v1/text-to-speech/{voice}"
_SIGN = "/v1/convai/conversation/get-signed-url"
_MODELS = frozenset({"scribe_v1", "scribe_v2", "eleven_turbo_v2_5", "eleven_multilingual_v2"})
_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one request."""

    status: int = 0
    """The answer's status; 0: the request is done as usual."""
    code: str = ""
    """`detail.status` of the body."""
    retry_after: int | None = None
    slow_seconds: float = 0.0
    """Before anything is answered."""
    body: bytes | None = None
    """Sent in the place of the right answer, as if it were one."""
    cut: bool = False
    """The answer breaks off at its middle."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request, as it came."""

    route: str
    """hear, speak or sign."""
    fields: Mapping[str, Any]
    """Of the form, of the JSON body, or of the query."""
    file: bytes = b""
    content_type: str = ""


@dataclass(slots=True)
class _State:
    transcripts: dict[bytes, str] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=dict)


class ElevenLabsServer:
    """Plays ElevenLabs on 127.0.0.1.

    async with ElevenLabsServer(transcript="write hello", sound=opus_bytes) as labs:
        # ... run Wireroom with ELEVENLABS_API_URL=labs.url and ELEVENLABS_API_KEY=labs.key ...
        assert labs.of("hear")[0].fields["model_id"] == "scribe_v1"
    """

    def __init__(self, *, transcript: str = "hello", sound: bytes = b"", key: str = DEFAULT_KEY) -> None:
        """Prepare; `async with` starts it.

        Args:
            transcript: What is heard in a recording of which nothing else was said.
            sound: What every text sounds like.
            key: The one that is accepted.
        """
        self.transcript = transcript
        self.sound = sound
        self.key = key
        self.requests: list[SeenRequest] = []
        self._state = _State()
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def hears(self, recording: bytes, text: str) -> None:
        """Have this recording understood as this text."""
        self._state.transcripts[recording] = text

    def fault(self, route: str, *faults: Fault) -> None:
        """Spoil the next requests of a route (hear, speak, sign), one each."""
        self._state.faults.setdefault(route, deque()).extend(faults)

    def of(self, route: str) -> list[SeenRequest]:
        """Return the requests of a route, oldest first."""
        return [request for request in self.requests if request.route == route]

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_post(_HEAR, self._hear)
        app.router.add_post(_SPEAK, self._speak)
        app.router.add_get(_SIGN, self._sign)
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
        """The base URL, for ELEVENLABS_API_URL.

        Raises:
            RuntimeError: the server is not started.
        """
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the server is not started; use it with `async with`")
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _hear(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, Any] = {}
        content, content_type = b"", ""
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                return _refused(422, "invalid_form", "nested or nameless part")
            data = bytes(await part.read(decode=True))
            if part.name == "file":
                content, content_type = data, part.headers.get("Content-Type", "")
            else:
                fields[part.name] = data.decode()
        self.requests.append(SeenRequest("hear", fields, content, content_type))
        if fields.get("model_id") not in _MODELS or not content:
            return _refused(422, "invalid_request", "model_id and file are required")
        text = self._state.transcripts.get(content, self.transcript)
        right = web.json_response({"text": text, "language_code": "eng", "words": []})
        return await self._answer("hear", request, right)

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        voice = {"voice": request.match_info["voice"]}
        self.requests.append(SeenRequest("speak", {**request.query, **body, **voice}))
        if not body.get("text") or body.get("model_id") not in _MODELS:
            return _refused(422, "invalid_request", "text and model_id are required")
        mime_type = "audio/ogg" if self.sound.startswith(b"OggS") else "audio/mpeg"
        right = web.Response(body=self.sound, content_type=mime_type)
        return await self._answer("speak", request, right)

    async def _sign(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(SeenRequest("sign", dict(request.query)))
        agent = request.query.get("agent_id", "")
        right = web.json_response({"signed_url": f"wss://voice.test/talk?agent_id={agent}&token=once"})
        return await self._answer("sign", request, right)

    async def _answer(self, route: str, request: web.Request, right: web.Response) -> web.StreamResponse:
        if request.headers.get("xi-api-key") != self.key:
            return _refused(401, "invalid_api_key", "Invalid API key")
        waiting = self._state.faults.get(route)
        fault = waiting.popleft() if waiting else Fault()
        await self._pause(fault.slow_seconds)
        if fault.status:
            return _refused(fault.status, fault.code, "as the test wants it", fault.retry_after)
        if fault.body is not None:
            return web.Response(body=fault.body, content_type=right.content_type)
        return await _cut(request, right) if fault.cut else right

    async def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self._closing.wait()
            except TimeoutError:
                return


async def _cut(request: web.Request, right: web.Response) -> web.StreamResponse:
    content = right.body
    if not isinstance(content, bytes):
        raise TypeError("only a whole body can be cut")
    broken = web.StreamResponse(headers={"Content-Length": str(len(content))})
    broken.content_type = right.content_type
    await broken.prepare(request)
    await broken.write(content[: len(content) // 2])
    if request.transport is not None:
        request.transport.abort()
    return broken


def _refused(status: int, code: str, message: str, retry_after: int | None = None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    body = {"detail": {"status": code, "message": message}}
    return web.json_response(body, status=status, headers=headers)
