"""A runner elsewhere that does our runs: cursor-runner, or another Wireroom, over HTTP with a callback.

What its answers mean is in `remote_replies`. A request is sent again only when nothing can have begun; else
we wait for the callback, and ask a runner that can be asked: the older one cannot, and would do a repeated
request twice. So it is after a restart: what an earlier attempt may have handed over is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
import structlog

from wireroom.backends.protocol import Abroad, AgentRequest, AgentResult
from wireroom.backends.remote_replies import (
    Handover,
    Standing,
    body_of,
    read_answer,
    read_reply,
    read_standing,
)
from wireroom.backends.wire import mapping_of, notice, text_of
from wireroom.errors import AgentUnavailable
from wireroom.outbound.trips import Trip

_log = structlog.get_logger(__name__)
_PURPOSE = "runner"
_TRIES = 5
_FIRST_WAIT_SECONDS = 0.5
_LOOK_SECONDS = 30.0
_SEND_LIMIT = aiohttp.ClientTimeout(total=60, sock_connect=10)
_ASK_LIMIT = aiohttp.ClientTimeout(total=10)
_STOP_LIMIT = aiohttp.ClientTimeout(total=3)


class RemoteBackend:
    """Hands each request to the runner at `url`."""

    name = "remote"
    resumes_sessions = False

    def __init__(self, url: str, secret: str, *, look_seconds: float = _LOOK_SECONDS) -> None:
        """Keep where the runner is.

        Args:
            url: Its address, without a path.
            secret: What it expects as `X-Webhook-Secret`; empty: the same as ours.
            look_seconds: Time after which a runner that reported nothing is asked, and asked again.
        """
        self._url = url.rstrip("/")
        self._secret = secret
        self._look_seconds = look_seconds

    async def call(self, request: AgentRequest, abroad: Abroad) -> AgentResult:
        """Have the request served there; see `CalledBackend.call`."""
        if not self._url.startswith(("http://", "https://")):
            raise AgentUnavailable(
                f"CURSOR_RUNNER_URL is {self._url!r}; give the address of a runner, such as http://runner:3001."
            )
        return await _Commission(self._url, self._secret, self._look_seconds, abroad).carry_out(request)


class _NotReached(Exception):
    """The request was not sent."""


class _Unheard(Exception):
    """The request was sent, and no answer came."""


class _Commission:
    """One request to the runner."""

    def __init__(self, url: str, secret: str, look_seconds: float, abroad: Abroad) -> None:
        self._url = url
        self._secret = secret or abroad.secret
        self._look_seconds = look_seconds
        self._abroad = abroad
        self._run_path = f"/api/runs/{quote(abroad.errand.id, safe='')}"

    async def carry_out(self, request: AgentRequest) -> AgentResult:
        """Have the request done there once and return how it ended; told to stop, tell the runner."""
        try:
            return await self._handed_over_before() or await self._hand_over(request) or await self._end()
        except asyncio.CancelledError:
            if not await self._abroad.is_left_open():
                await self._tell_to_stop()
            raise

    async def _handed_over_before(self) -> AgentResult | None:
        """Wait for an errand of an earlier attempt; None without one, or when the runner knows none."""
        if not self._abroad.errand.may_be_known:
            return None
        standing = await self._news(0)
        if standing.result is None and standing.known is not False:
            self._abroad.emit(notice(f"The runner at {self._url} may have this already: waiting"))
        while standing.result is None and standing.known is not False:
            standing = await self._news(self._look_seconds)
        return standing.result

    async def _hand_over(self, request: AgentRequest) -> AgentResult | None:
        """Send the request until it is taken; return the end if that is told at once."""
        body = body_of(request, self._abroad.errand, self._callback_url, await self._new_conversation())
        why = ""
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(_FIRST_WAIT_SECONDS * 2 ** (number - 1))
            try:
                status, answer = await self._post("/cursor/execute/async", body, _SEND_LIMIT)
            except _NotReached as error:
                why = str(error)
                continue
            except _Unheard:
                meaning: Handover | AgentResult = Handover.UNCERTAIN
            else:
                meaning = read_answer(status, answer)
                why = f"it answered {status}"
            if isinstance(meaning, AgentResult):
                return meaning
            if meaning is Handover.ACCEPTED or (
                meaning is Handover.UNCERTAIN and (await self._look()).known is not False
            ):
                self._abroad.emit(notice(f"Handed to the runner at {self._url}"))
                return None
        raise AgentUnavailable(f"The runner at {self._url} (CURSOR_RUNNER_URL) took nothing: {why}.")

    async def _end(self) -> AgentResult:
        """Wait for the callback; a runner that can be asked makes up for a lost one."""
        while True:
            standing = await self._news(self._look_seconds)
            if standing.result is not None:
                return standing.result

    async def _news(self, seconds: float) -> Standing:
        """Return what the callback says, or how the errand stands if none comes within the time."""
        reply = await self._abroad.reply(seconds)
        return await self._look() if reply is None else Standing(known=True, result=read_reply(reply))

    @property
    def _callback_url(self) -> str:
        """Our address; a runner with another secret than ours is given ours, or its callback were refused."""
        if self._secret == self._abroad.secret:
            return self._abroad.callback_url
        return f"{self._abroad.callback_url}?{urlencode({'secret': self._abroad.secret})}"

    async def _new_conversation(self) -> str:
        """Return a fresh conversation there, so that runs share none; empty if there is none to have."""
        try:
            status, body = await self._post("/cursor/conversation/new", {"queueType": "api"}, _ASK_LIMIT)
        except (_NotReached, _Unheard):
            return ""
        return text_of(body.get("conversationId")) if status < 300 else ""  # noqa: PLR2004 - success, RFC 9110

    async def _look(self) -> Standing:
        """Ask how the errand stands."""
        try:
            async with self._abroad.http.get(
                self._url + self._run_path,
                headers=self._headers,
                timeout=_ASK_LIMIT,
                trace_request_ctx=Trip(_PURPOSE),
            ) as response:
                return read_standing(response.status, await _object(response))
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.info("remote_not_asked", request_id=self._abroad.errand.id, reason=type(error).__name__)
            return Standing(known=None)

    async def _tell_to_stop(self) -> None:
        with suppress(_NotReached, _Unheard):
            await self._post(f"{self._run_path}/cancel", {}, _STOP_LIMIT)

    async def _post(
        self, path: str, body: Mapping[str, Any], limit: aiohttp.ClientTimeout
    ) -> tuple[int, Mapping[str, Any]]:
        try:
            async with self._abroad.http.post(
                self._url + path,
                json=body,
                headers=self._headers,
                timeout=limit,
                allow_redirects=False,
                trace_request_ctx=Trip(_PURPOSE),
            ) as response:
                return response.status, await _object(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise _NotReached(f"it cannot be reached ({type(error).__name__})") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _Unheard from error

    @property
    def _headers(self) -> dict[str, str]:
        return {"X-Webhook-Secret": self._secret}


async def _object(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    """Return the JSON object of the body, empty if it is none."""
    try:
        return mapping_of(msgspec.json.decode(await response.read()))
    except msgspec.DecodeError:
        return {}
