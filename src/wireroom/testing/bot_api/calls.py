"""The way of one call: recorded, held, spoiled by a fault, limited, done, answered.

    arrive -> BEFORE (hook, holds) -> fault? -> flood? -> act -> AFTER (hook, holds) -> fault? -> answer

Acting is one step without a wait, so that a caller that dies sees it done wholly or not at all.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from wireroom.testing.bot_api.errors import ApiRefusal, too_many_requests
from wireroom.testing.bot_api.faults import (
    DropAfter,
    DropBefore,
    Fault,
    FaultPlan,
    Garble,
    Hang,
    Hold,
    Refuse,
    Slow,
    When,
    to_refusal,
)
from wireroom.testing.bot_api.feed import FEED_METHODS, UpdateFeed
from wireroom.testing.bot_api.flood import FloodGate
from wireroom.testing.bot_api.methods import METHODS, SENDING, act
from wireroom.testing.bot_api.params import Params
from wireroom.testing.bot_api.world import World

DOWNLOAD = "download"
"""What a download counts as, which is no method; its one parameter is `file_path`."""
_NAMES = {name.lower(): name for name in (*METHODS, *FEED_METHODS)}


@dataclass(slots=True, eq=False)
class Call:
    """One call of a method, as `BotAPIServer.calls` tells it."""

    method: str
    """In the spelling of the documentation."""
    params: Mapping[str, Any]
    """As they came: typed from JSON, strings from a form, `Upload` for a file."""
    chat_id: int | None
    at: float
    """`time.monotonic()` of its arrival."""
    outcome: str = "under way"
    """"ok", the status and description of a refusal, or how a fault ended it."""
    acted: bool = False
    """Whether it took effect, whatever the caller was told."""
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What goes back to the caller."""

    status: int
    body: bytes


OnCall = Callable[[Call, When], Awaitable[None]]


def refuse(refusal: ApiRefusal) -> Reply:
    """Return the answer of a refusal."""
    return Reply(refusal.code, msgspec.json.encode(refusal.to_json()))


class CallRunner:
    """Takes calls through all their points."""

    def __init__(self, world: World, feed: UpdateFeed, *, enforce_flood: bool, keep_calls: int) -> None:
        self.log: deque[Call] = deque(maxlen=keep_calls)
        self.faults = FaultPlan()
        self.holds: list[Hold] = []
        self.on_call: OnCall | None = None
        self._world = world
        self._feed = feed
        self._flood = FloodGate() if enforce_flood else None
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every wait of a call under way."""
        self._closing.set()
        for hold in self.holds:
            hold.release(drop=True)

    async def run(self, method: str, raw: Mapping[str, Any]) -> Reply | None:
        """Run a call and return its answer; None when the connection is to be broken instead."""
        params = Params(raw)
        call = Call(
            method=_NAMES.get(method.lower(), method),
            params=raw,
            chat_id=params.integer("chat_id") or None,
            at=time.monotonic(),
        )
        self.log.append(call)
        try:
            return await self._run(call, params)
        except BaseException as problem:
            call.outcome = f"failed: {problem!r}"
            raise
        finally:
            call.finished_at = time.monotonic()

    async def _run(self, call: Call, params: Params) -> Reply | None:
        if await self._drops_at(When.BEFORE, call):
            call.outcome = "held, then dropped before acting"
            return None
        fault = self.faults.take(call.method, call.chat_id, call.at)
        if isinstance(fault, Refuse):
            return self._refused(call, to_refusal(fault))
        if isinstance(fault, DropBefore | Hang):
            call.outcome = "dropped before acting"
            await self._pause(fault.seconds if isinstance(fault, Hang) else 0)
            return None
        try:
            reply = await self._act(call, params)
        except ApiRefusal as refusal:
            reply = self._refused(call, refusal)
        if call.acted and await self._drops_at(When.AFTER, call):
            call.outcome = "held, then dropped after acting"
            return None
        return await self._spoiled(call, fault, reply)

    def _refused(self, call: Call, refusal: ApiRefusal) -> Reply:
        call.outcome = f"{refusal.code} {refusal.description}"
        return refuse(refusal)

    async def _act(self, call: Call, params: Params) -> Reply:
        self._check_flood(call)
        if call.method == DOWNLOAD:
            return self._download(call, params)
        description: str | None = None
        if call.method in FEED_METHODS:
            result, description = await self._feed.act(call.method, params)
        else:
            result = act(self._world, call.method, params)
        call.acted = True
        call.outcome = "ok"
        body = {"ok": True, "result": result}
        if description is not None:
            body["description"] = description
        return Reply(200, msgspec.json.encode(body))

    def _download(self, call: Call, params: Params) -> Reply:
        stored = self._world.files_by_path.get(params.text("file_path"))
        if stored is None:
            raise ApiRefusal(404, "Not Found")
        call.acted, call.outcome = True, "ok"
        return Reply(200, stored.content)

    def _check_flood(self, call: Call) -> None:
        if self._flood is None or call.method not in SENDING or call.chat_id is None:
            return
        wait_seconds = self._flood.admit(self._world.chat(call.chat_id), call.at)
        if wait_seconds is not None:
            raise too_many_requests(wait_seconds)

    async def _spoiled(self, call: Call, fault: Fault | None, reply: Reply) -> Reply | None:
        if isinstance(fault, DropAfter):
            call.outcome = "dropped after acting"
            return None
        if isinstance(fault, Garble):
            call.outcome = "answered with broken JSON"
            return Reply(200, reply.body[: len(reply.body) // 2])
        if isinstance(fault, Slow):
            await self._pause(fault.seconds)
        return reply

    async def _drops_at(self, when: When, call: Call) -> bool:
        if self.on_call is not None:
            await self.on_call(call, when)
        for hold in self.holds:
            if (
                not hold.is_taken
                and not hold.is_over
                and hold.when is when
                and hold.scope.covers(call.method, call.chat_id)
            ):
                return await hold.park()
        return False

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the server lives."""
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
