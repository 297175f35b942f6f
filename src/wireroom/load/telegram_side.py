"""The outside of the service under load: a watched Bot API server, and a receiver of callbacks."""

from __future__ import annotations

import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from wireroom.load.questions import tokens_in, voice_token
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api.calls import Call
from wireroom.testing.bot_api.faults import When
from wireroom.testing.bot_api.model import Chat

TOKEN = "123456:test-token"  # noqa: S105 - opens nothing but the Bot API server of a measurement
_TEXT_FIELDS = ("text", "caption")
_KEPT_CALLS = 1_000
_NO_SPEECH = b"OggS" + bytes(60)


class WatchedTelegram:
    """A Bot API server on loopback that notes when each answer is first seen, and counts those that stand."""

    def __init__(self, mark: str, *, port: int = 0) -> None:
        """Prepare; `async with` starts it.

        Args:
            mark: Of the measurement.
            port: Where to listen; 0 lets the system choose.
        """
        self.server = BotAPIServer(TOKEN, port=port, keep_calls=_KEPT_CALLS)
        self.server.on_call = self._note
        self.answered_at: dict[str, float] = {}
        """By token: `time.monotonic()` when its answer was first seen in a chat."""
        self.calls: Counter[str] = Counter()
        """Calls of the Bot API, by method."""
        self._replies: Counter[tuple[str, str]] = Counter()
        """By token of a voice message and method: an answer may be text and voice, each once."""
        self._mark = mark
        self._chats: list[Chat] = []

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.__aexit__(kind, error, trace)

    def make_chats(self, first: int, count: int) -> None:
        """Make the people with consecutive ids known, and their private chats with the bot."""
        self._chats = [
            self.server.private_chat(self.server.user(number, "Ann"))
            for number in range(first, first + count)
        ]

    async def recorded_voice(self) -> dict[str, Any]:
        """Return the `Voice` object of a message that people send again and again: no speech, but a file.

        Called before the service knows the server, and leaves no update behind.
        """
        update_id = await self.server.user_sends_voice(self._chats[0], _NO_SPEECH)
        voice: dict[str, Any] = self.server.update(update_id)["message"]["voice"]
        url = f"{self.server.url}/bot{self.server.token}/deleteWebhook"
        async with aiohttp.ClientSession() as session, session.post(url, json={"drop_pending_updates": True}):
            return voice

    def effects(self) -> dict[str, int]:
        """Return in how many messages each token stands now, and how often voice messages were answered."""
        standing: Counter[str] = Counter()
        for chat in self._chats:
            for message in self.server.visible(chat):
                if message.from_bot:
                    standing.update(tokens_in(message.text, self._mark))
        spoken: dict[str, int] = {}
        for (token, _), count in self._replies.items():
            spoken[token] = max(count, spoken.get(token, 0))
        return {**standing, **spoken}

    async def _note(self, call: Call, when: When) -> None:
        if when is not When.AFTER:
            return
        self.calls[call.method] += 1
        now = time.monotonic()
        for name in _TEXT_FIELDS:
            text = call.params.get(name)
            if isinstance(text, str) and self._mark in text:
                for token in tokens_in(text, self._mark):
                    self.answered_at.setdefault(token, now)
        replied = replied_message(call.params)
        if call.method.startswith("send") and replied is not None and call.chat_id is not None:
            token = voice_token(call.chat_id, replied)
            self._replies[token, call.method] += 1
            self.answered_at.setdefault(token, now)


def replied_message(params: Any) -> int | None:
    """Return the message that a call answers, in the present form or the older services'."""
    reply = params.get("reply_parameters")
    found = reply.get("message_id") if isinstance(reply, dict) else params.get("reply_to_message_id")
    return int(found) if isinstance(found, int | str) and str(found).isdigit() else None


class CallbackReceiver:
    """Takes the callbacks that programs asked for, and counts them."""

    def __init__(self) -> None:
        """Prepare; `async with` starts it."""
        self.counts: Counter[str] = Counter()
        """How often each token was called back."""
        self.received_at: dict[str, float] = {}
        """By token: `time.monotonic()` of the first time."""
        self._runner: web.ServerRunner | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._receive, access_log=None), shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """The address to which a token is appended."""
        return f"http://127.0.0.1:{self._port}/"

    async def _receive(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        token = request.path.strip("/")
        self.counts[token] += 1
        self.received_at.setdefault(token, time.monotonic())
        return web.Response(text="OK")
