"""The HTTP side: paths, tokens and bodies in; envelopes, files and broken connections out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec
from aiohttp import BodyPartReader, StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from wireroom.testing.bot_api.calls import DOWNLOAD, CallRunner, Reply, refuse
from wireroom.testing.bot_api.errors import ApiRefusal, bad_request
from wireroom.testing.bot_api.params import Upload

# Source: Telegram Bot API, Sending files: 50 MB for other files; the rest is room for the form around it.
_MAX_BODY_BYTES = 51 * 1024 * 1024

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Transport:
    """A loopback HTTP server for the tokens of one bot or several."""

    def __init__(self, token: str, runner: CallRunner, control: Handler | None) -> None:
        self._runners = {token: runner}
        self._control = control
        self._site: web.ServerRunner | None = None

    async def open(self, port: int) -> int:
        """Listen on 127.0.0.1 and return the port, which the system chooses for 0."""
        server = web.Server(self._handle, request_factory=_make_request, access_log=None)
        self._site = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._site.setup()
        await web.TCPSite(self._site, "127.0.0.1", port, backlog=1024).start()
        return int(self._site.addresses[0][1])

    def add(self, token: str, runner: CallRunner) -> None:
        """Answer the calls of one more bot."""
        self._runners[token] = runner

    async def close(self) -> None:
        """Stop listening and close every connection."""
        if self._site is not None:
            await self._site.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        try:
            if path.startswith("/bot"):
                return await self._call(request, path)
            if path.startswith("/file/bot"):
                return await self._file(request, path)
            if self._control is not None and path.startswith("/_control/"):
                return await self._control(request)
        except ApiRefusal as refusal:
            return _response(refuse(refusal))
        return _response(refuse(ApiRefusal(404, "Not Found")))

    async def _call(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        token, _, method = path.removeprefix("/bot").partition("/")
        reply = await self._runner_of(token).run(method, await read_body(request))
        return _broken_off(request) if reply is None else _response(reply)

    def _runner_of(self, token: str) -> CallRunner:
        if token not in self._runners:
            raise ApiRefusal(401, "Unauthorized")
        return self._runners[token]

    async def _file(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        token, _, name = path.removeprefix("/file/bot").partition("/")
        reply = await self._runner_of(token).run(DOWNLOAD, {"file_path": unquote(name)})
        if reply is None:
            return _broken_off(request)
        if reply.status != HTTPStatus.OK:
            return _response(reply)
        return web.Response(body=reply.body, content_type="application/octet-stream")


def _broken_off(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # nobody is left to read it


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, content_type="application/json")


def _make_request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY_BYTES)


async def read_body(request: web.BaseRequest) -> dict[str, Any]:
    """Return the parameters from the query string and the body.

    Raises:
        ApiRefusal: 400 for a body that is not what its content type says, 413 above 51 MB.
    """
    raw: dict[str, Any] = dict(request.query) if request.query_string else {}
    kind = request.content_type
    try:
        if kind == "application/json":
            raw |= _json_object(await request.read())
        elif kind == "application/x-www-form-urlencoded":
            raw |= dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        elif kind == "multipart/form-data":
            raw |= await _read_multipart(request)
    except web.HTTPRequestEntityTooLarge as problem:
        raise ApiRefusal(413, "Request Entity Too Large") from problem
    except ValueError as problem:
        raise bad_request(f"can't parse the body: {problem}") from problem
    return raw


def _json_object(body: bytes) -> dict[str, Any]:
    if not body:
        return {}
    decoded = msgspec.json.decode(body)
    if not isinstance(decoded, dict):
        raise bad_request("can't parse request: expected an Object")
    return decoded


async def _read_multipart(request: web.BaseRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None:
            raise bad_request("can't parse the body: nested or nameless part")
        content = bytes(await part.read(decode=True))
        if part.filename is None:
            found[part.name] = content.decode()
        else:
            mime_type = part.headers.get("Content-Type", "application/octet-stream")
            found[part.name] = Upload(part.filename, content, mime_type)
    return found
