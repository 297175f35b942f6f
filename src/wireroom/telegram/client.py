"""Sends the requests of `telegram.methods` over one shared aiohttp session and names every failure.

It knows nothing of chats, queues or retries: `delivery` decides those by the class of the error. Its one
promise beyond the protocol is certainty: an error says whether Telegram may have acted on the request.
Import this module only where a session is made; aiohttp costs about 0.2 s.
"""

from __future__ import annotations

import asyncio
import math
import os
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from wireroom.errors import SettingsError
from wireroom.perf import traces
from wireroom.telegram.encoding import Encoded, encode
from wireroom.telegram.errors import BotAPIError, Rejected, TelegramUnavailable, Uncertain, classify
from wireroom.telegram.local_files import copy_local
from wireroom.telegram.methods import GetUpdates, Method
from wireroom.telegram.types import Reply
from wireroom.telegram.wire import read_bounded, request_body, retry_after_seconds, save

R = TypeVar("R")

_TOKEN = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")
_replies = msgspec.json.Decoder(Reply)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step may take, in seconds."""

    connect_seconds: float = 5.0
    """Getting a connection, from the pool or a new one with its handshakes."""
    call_seconds: float = 20.0
    """A whole call that uploads nothing."""
    upload_seconds: float = 120.0
    """A whole call with a file."""
    long_poll_margin_seconds: float = 10.0
    """What `getUpdates` may take beyond the time that Telegram was asked to wait."""
    download_seconds: float = 120.0
    """A whole download."""

    def total_for(self, request: Method[Any]) -> float:
        """Return the time that the whole call may take."""
        if isinstance(request, GetUpdates):
            return request.timeout + self.long_poll_margin_seconds
        return self.call_seconds if request.attachment() is None else self.upload_seconds


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    retry_after: float | None


@dataclass(frozen=True, slots=True, repr=False)
class TelegramClient:
    """One bot's door to the Bot API; as many calls at once as the session allows.

    Args:
        token: From BotFather, such as 123456:AAE….
        session: Shared and owned by the caller. Keep its connections alive for less than a minute, so that
            a connection that Telegram is about to close is not used again.
        base_url: `TELEGRAM_API_URL`; a local Bot API server or an emulator.
        timeouts: How long each step may take.
        local_files: `WIREROOM_TELEGRAM_FILES`; where a local Bot API server keeps files; None: downloaded.

    Raises:
        SettingsError: the token or the URL cannot be meant.
    """

    token: str
    session: aiohttp.ClientSession
    base_url: str = "https://api.telegram.org"
    timeouts: Timeouts = field(default_factory=Timeouts)
    local_files: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what would fail at every call, without repeating the token."""
        parts = urlsplit(self.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise SettingsError("TELEGRAM_API_URL must look like https://api.telegram.org")
        if not _TOKEN.fullmatch(self.token):
            raise SettingsError("TELEGRAM_BOT_TOKEN must look like 123456:AAE…, as BotFather gave it")

    def __repr__(self) -> str:
        """Return the bot's id and address; the token's secret half is left out."""
        return f"TelegramClient(bot_id={self.bot_id}, base_url={self.base_url!r})"

    @property
    def bot_id(self) -> int:
        """The bot's user id: the public half of the token."""
        return int(self.token.partition(":")[0])

    async def call(self, request: Method[R]) -> R:
        """Send the request and return its result.

        Raises:
            BotAPIError: by class, see `telegram.errors`. `Uncertain` alone leaves open whether the request
                was carried out; every other error means that it was not.
        """
        with traces.span("telegram " + request.api_name, role="client"):
            return await self._call(request)

    async def _call(self, request: Method[R]) -> R:
        answer = await self._post(encode(request), self.timeouts.total_for(request))
        if isinstance(answer, BotAPIError):
            raise answer
        result = self._result(request, answer)
        if isinstance(result, BotAPIError):
            raise result
        return result

    async def download(self, file_path: str, destination: Path, *, max_bytes: int) -> int:
        """Stream the file that `GetFile` named to `destination` and return its size in bytes.

        What a local server names by its absolute path is copied from `local_files`. `destination`
        appears only when the file is complete; its folder must exist.

        Raises:
            TooLong: the file is larger than `max_bytes`.
            Rejected: Telegram has no such file any more, or the path is not one of its own.
            TelegramUnavailable: the download broke off; nothing was kept.
        """
        is_local = file_path.startswith("/")
        if is_local and self.local_files is None:
            raise Rejected(
                "download", "the Bot API server keeps it on its own disk: set WIREROOM_TELEGRAM_FILES"
            )
        if ".." in file_path.split("/") or "\\" in file_path:
            raise Rejected("download", "the file path is not one that a Bot API server gives")
        partial = destination.with_name(destination.name + ".part")
        failure = None
        try:
            async with asyncio.timeout(self.timeouts.download_seconds):
                size = await self._fetch(file_path, partial, max_bytes)
            await asyncio.to_thread(os.replace, partial, destination)
        except BotAPIError:
            raise
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            failure = TelegramUnavailable("download", f"broke off ({type(error).__name__})")
        finally:
            with suppress(FileNotFoundError):
                partial.unlink()
        if failure is not None:
            raise failure
        return size

    async def _post(self, request: Encoded, total_seconds: float) -> _Answer | BotAPIError:
        """Return the answer, or the error of a call that got none.

        Errors are returned, not raised here: aiohttp's own carry the URL, and with it the token, and would be
        attached to whatever is raised while they are handled.
        """
        try:
            body = await request_body(request)
        except OSError as error:
            return TelegramUnavailable(request.api_name, f"the file cannot be read ({error.strerror})")
        try:
            async with self.session.post(
                self._url(f"/bot{self.token}/{request.api_name}"),
                data=body,
                timeout=self._timeout(total_seconds),
                allow_redirects=False,
            ) as response:
                return _Answer(response.status, await read_bounded(response), retry_after_seconds(response))
        except (aiohttp.ClientError, OSError) as error:
            return _without_answer(request.api_name, type(error).__name__, begun=body.begun)
        finally:
            await body.close()

    def _result(self, request: Method[R], answer: _Answer) -> R | BotAPIError:
        method = request.api_name
        try:
            reply = _replies.decode(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return classify(method, answer.status, None, retry_after=answer.retry_after)
        if not reply.ok:
            return self._refused(method, answer, reply)
        # `ok` is the verdict: where true is all that a method has to say, some servers say null.
        said = b"true" if bytes(reply.result) == b"null" else reply.result
        try:
            result: R = msgspec.json.decode(said, type=request.result_type)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Uncertain(method, "carried out, but the result could not be read", status=answer.status)
        return result

    def _refused(self, method: str, answer: _Answer, reply: Reply) -> BotAPIError:
        extra = reply.parameters
        return classify(
            method,
            answer.status if answer.status >= 400 else reply.error_code,  # noqa: PLR2004
            reply.description.replace(self.token, "<token>"),
            retry_after=extra.retry_after if extra else answer.retry_after,
            migrate_to_chat_id=extra.migrate_to_chat_id if extra else None,
        )

    async def _fetch(self, file_path: str, partial: Path, max_bytes: int) -> int:
        if self.local_files is not None and file_path.startswith("/"):
            return await asyncio.to_thread(
                copy_local, self.local_files, file_path, partial, max_bytes=max_bytes
            )
        return await self._stream(file_path, partial, max_bytes)

    async def _stream(self, file_path: str, partial: Path, max_bytes: int) -> int:
        url = self._url(f"/file/bot{self.token}/{quote(file_path)}")
        timeout = self._timeout(self.timeouts.download_seconds)
        async with self.session.get(url, timeout=timeout, allow_redirects=False) as response:
            if response.status == 404:  # noqa: PLR2004
                raise Rejected("download", "Telegram has no such file any more", status=404)
            if response.status != 200:  # noqa: PLR2004
                raise classify("download", response.status, f"answered {response.status}")
            return await save(response, partial, max_bytes)

    def _url(self, path: str) -> URL:
        return URL(self.base_url.rstrip("/") + path, encoded=True)

    def _timeout(self, total_seconds: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=total_seconds,
            connect=self.timeouts.connect_seconds,
            # By default aiohttp rounds longer times up to whole seconds of its loop's clock.
            ceil_threshold=math.inf,
        )


def looks_like_token(text: str) -> bool:
    """Tell whether this may be a bot's token: 123456:AAE… and so on."""
    return _TOKEN.fullmatch(text) is not None


def _without_answer(method: str, cause: str, *, begun: bool) -> BotAPIError:
    if begun:
        return Uncertain(method, f"sent, but no answer came back ({cause})")
    return TelegramUnavailable(method, f"not sent, no connection ({cause})")
