"""What stands around the people: the service, the Bot API server, the receiver of callbacks, the plan."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp

from wireroom.errors import BadInput, WireroomError
from wireroom.load.capabilities import Access, Probed, probe
from wireroom.load.knee import Targets
from wireroom.load.own_service import OwnService, own_service
from wireroom.load.patterns import Extent, Pattern
from wireroom.load.samples import Plan
from wireroom.load.telegram_side import CallbackReceiver, WatchedTelegram

FIRST_PERSON = 1001
"""Telegram id of the first of the people; the others follow without a gap."""
_PROBE_SECONDS = 10.0
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_OPERATOR = "/task-operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be measured."""

    pattern: Pattern
    extent: Extent
    beside: Path
    """The folder on whose disk a service of our own keeps its data."""
    url: str = ""
    """The service; empty: one is started."""
    telegram_port: int | None = None
    """Where the Bot API server listens that a service given by `url` was told to use; None: it was not."""
    pid: int | None = None
    """The process of a service given by `url`, if it runs on this machine."""
    pace: float = 1.0
    agent_seconds: float = 0.3
    most_bytes: int = 2 * 1024**3
    """How far the data folder of a service of our own may grow."""
    webhook_secret: str = ""
    api_secret: str = ""
    """The secrets of a service given by `url`."""
    targets: Targets = field(default_factory=Targets)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that stands around the people."""

    plan: Plan
    access: Access
    probed: Probed
    session: aiohttp.ClientSession
    telegram: WatchedTelegram | None
    callbacks: CallbackReceiver
    service: OwnService | None
    log: Path


async def set_scene(stack: AsyncExitStack, wanted: Wanted) -> Scene:
    """Start what is needed, and find out what can be done; everything is put on the stack.

    Raises:
        BadInput: the address cannot be one.
        WireroomError: nothing can be started, or nobody can act.
    """
    if wanted.url and not wanted.url.startswith(("http://", "https://")):
        raise BadInput(f"--url: expected http://… or https://…, not {wanted.url}")
    mark = new_mark(time.time())
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="wireroom-load-")))
    session = await stack.enter_async_context(
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_PROBE_SECONDS))
    )
    callbacks = await stack.enter_async_context(CallbackReceiver())
    telegram, voice = await _open_telegram(stack, wanted, mark)
    access, service = await stack.enter_async_context(_service(wanted, telegram))
    first_update_id = int(time.time() * 1000) % 2_000_000_000 + 1
    probed = await probe(session, access, mark=f"{mark}-probe", update_id=first_update_id)
    if not probed.can.anybody:
        raise WireroomError(f"Nobody can act on {access.base_url}: {'; '.join(probed.left_out)}.")
    if service is not None:
        async with session.post(access.base_url + _OPERATOR, json={}, headers=access.program_headers):
            pass
    plan = Plan(
        base_url=access.base_url,
        pattern=wanted.pattern,
        extent=wanted.extent,
        pace=wanted.pace,
        mark=mark,
        first_update_id=first_update_id,
        first_chat=FIRST_PERSON,
        agent_seconds=wanted.agent_seconds,
        webhook_secret=access.webhook_secret,
        api_secret=access.api_secret,
        callback_url=callbacks.url,
        voice=voice,
        can=probed.can,
    )
    return Scene(plan, access, probed, session, telegram, callbacks, service, folder / "people.log")


async def _open_telegram(
    stack: AsyncExitStack, wanted: Wanted, mark: str
) -> tuple[WatchedTelegram | None, dict[str, Any]]:
    if wanted.url and wanted.telegram_port is None:
        return None, {"file_id": "none", "file_unique_id": "none", "duration": 1, "mime_type": "audio/ogg"}
    telegram = await stack.enter_async_context(WatchedTelegram(mark, port=wanted.telegram_port or 0))
    telegram.make_chats(FIRST_PERSON, wanted.extent.people)
    return telegram, await telegram.recorded_voice()


@asynccontextmanager
async def _service(
    wanted: Wanted, telegram: WatchedTelegram | None
) -> AsyncIterator[tuple[Access, OwnService | None]]:
    if wanted.url or telegram is None:
        yield Access(wanted.url.rstrip("/"), wanted.webhook_secret, wanted.api_secret), None
        return
    webhook_secret, api_secret = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
    async with own_service(
        wanted.beside,
        telegram_url=telegram.server.url,
        webhook_secret=webhook_secret,
        api_secret=api_secret,
        people=range(FIRST_PERSON, FIRST_PERSON + wanted.extent.people),
    ) as service:
        yield Access(service.url, webhook_secret, api_secret), service


def new_mark(unix_seconds: float) -> str:
    """Return the mark of a measurement that begins now: letters and digits. Pure."""
    number, digits = int(unix_seconds * 10), ""
    while number:
        number, rest = divmod(number, len(_DIGITS))
        digits = _DIGITS[rest] + digits
    return f"K{digits.replace('x', 'X')}"
