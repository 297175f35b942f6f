"""What Wireroom does for one agent while it works: its log, people's permission, replies from elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import ClientSession

from wireroom.backends.protocol import (
    AgentEvent,
    Errand,
    EventKind,
    PermissionAnswer,
    PermissionQuestion,
    Words,
)
from wireroom.backends.wire import Transcript
from wireroom.callbacks.inbox import find_result, remote_topic
from wireroom.clock import came_within
from wireroom.errors import StoreUnavailable
from wireroom.runs.dialogue import Dialogue
from wireroom.runs.feed import Feed
from wireroom.runs.permissions import RunPermissions
from wireroom.runs.steering import Steering
from wireroom.store.database import Database

_POLL_SECONDS = 2.0
"""Another replica may have taken the callback; its wake-up does not reach us on every database."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outside:
    """How runs reach a runner elsewhere, and how it reaches us."""

    http: ClientSession
    callback_url: Callable[[], str]
    """Where it reports, known once our port is."""
    secret: str
    """Ours."""


class AgentHost:
    """See `backends.protocol.Host`."""

    dialogue: Dialogue | None = None
    """The conversation with its process, if it has one: silence while a person thinks does not count."""

    def __init__(
        self,
        take: Callable[[AgentEvent], None],
        asking: RunPermissions | None,
        steering: Steering | None = None,
    ) -> None:
        """Hand events to `take`; without `asking` everything is denied, without `steering` nobody speaks."""
        self._take = take
        self._asking = asking
        self._steering = steering
        self._said = Transcript()

    @property
    def said(self) -> str:
        """The answer text so far."""
        return self._said.text

    def emit(self, event: AgentEvent) -> None:
        """Put the event into the run's log."""
        if event.kind is EventKind.TEXT:
            self._said.add(event.payload["text"])
        self._take(event)

    async def ask(self, question: PermissionQuestion) -> PermissionAnswer:
        """Return whether the agent may."""
        if self._asking is None:
            return PermissionAnswer.DENIED
        with nullcontext() if self.dialogue is None else self.dialogue.waiting_for_person():
            return await self._asking.ask(question)

    async def words(self) -> Words:
        """Return what somebody says next; see `Host.words`."""
        if self._steering is None:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets this event")
        return await self._steering.words()

    async def hand(self, words: Words) -> bool:
        """Mark the words before they are told; see `Host.hand`."""
        return self._steering is not None and await self._steering.hand(words)

    async def heard(self, words_id: str) -> None:
        """Note that the agent has taken the words; see `Host.heard`."""
        if self._steering is not None:
            await self._steering.heard(words_id)


class AbroadHost(AgentHost):
    """See `backends.protocol.Abroad`."""

    def __init__(
        self,
        take: Callable[[AgentEvent], None],
        asking: RunPermissions | None,
        *,
        outside: Outside,
        errand: Errand,
        db: Database,
        feed: Feed,
        leave_open: Callable[[], Awaitable[bool]],
    ) -> None:
        """Serve one errand; `leave_open` tells of a cancelled call whether the run goes on later."""
        super().__init__(take, asking)
        self.http = outside.http
        self.errand = errand
        self.callback_url = outside.callback_url()
        self.secret = outside.secret
        self._db = db
        self._feed = feed
        self._leave_open = leave_open

    async def is_left_open(self) -> bool:
        """Tell whether the errand shall go on although this call of it ends."""
        return await self._leave_open()

    async def reply(self, seconds: float) -> Mapping[str, Any] | None:
        """Return what a runner has reported of the errand; None when nothing came within the time."""
        deadline = asyncio.get_running_loop().time() + seconds
        with self._feed.listen(remote_topic(self.errand.id)) as news:
            while True:
                news.clear()
                if (found := await self._look()) is not None:
                    return found
                left = deadline - asyncio.get_running_loop().time()
                if left <= 0:
                    return None
                await came_within(min(left, _POLL_SECONDS), news.wait())

    async def _look(self) -> Mapping[str, Any] | None:
        try:
            return await self._db.read(lambda conn: find_result(conn, self.errand.id))
        except StoreUnavailable as error:
            _log.warning("remote_result_not_read", request_id=self.errand.id, reason=str(error))
            return None
