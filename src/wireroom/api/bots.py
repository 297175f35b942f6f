"""`/api/bots`: the bots that were added beside that of the settings.

    POST /api/bots {"name": "helper", "token": "123456:AAE…", "repository": "shop"}
    → {"bot": {"name": "helper", "bot_id": 123456, "username": "shop_helper_bot", "state": "at work", …},
       "warning": null}

A token comes in and never goes out again: it is sealed in the database. Changes are an owner's, which the
guard sees to, and are in the audit. The running processes notice them within a few seconds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import aiohttp
from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr
from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.api.access import MAX_BODY_BYTES, act, known_alone
from wireroom.api.guard import caller_guard
from wireroom.api.requests import bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import Conflict, SettingsError
from wireroom.intake.bots import TOPIC, StoredBot, add_bot, get_bot, list_bots, pause_bot, remove_bot
from wireroom.intake.new_bots import Wish, introduced, take_leave, wanted_bot
from wireroom.intake.pairing import new_pairing_code
from wireroom.sealing import seal_of

T = TypeVar("T")


class BotBody(BaseModel):
    """An added bot."""

    name: str
    bot_id: int = Field(description="By which Telegram knows it.")
    username: str = Field(description="Without the @; empty until it is known.")
    repository: str | None = Field(description="Folder that new conversations work in.")
    backend: str | None = Field(description="Coding agent of new conversations.")
    is_polled: bool = Field(description="Its updates are fetched even where Telegram could push them.")
    is_active: bool = Field(description="False: it is paused.")
    state: str = Field(description="at work, paused, or what is wrong with it.")

    @classmethod
    def of(cls, bot: StoredBot) -> BotBody:
        """Return the bot as it is sent."""
        return cls(
            name=bot.name,
            bot_id=bot.bot_id,
            username=bot.username,
            repository=bot.repository,
            backend=bot.backend,
            is_polled=bot.is_polled,
            is_active=bot.is_active,
            state=bot.state,
        )


class BotListBody(BaseModel):
    """The added bots by their ids."""

    bots: list[BotBody]


class NewBotBody(BaseModel):
    """A bot to be."""

    name: str = Field(max_length=100)
    token: SecretStr = Field(max_length=200, description="From @BotFather.")
    repository: str = Field("", max_length=500, description="Folder of REPOSITORIES_PATH.")
    backend: str = Field("", max_length=100, description="Coding agent; empty: WIREROOM_BACKEND.")
    is_polled: bool = False


class AddedBody(BaseModel):
    """A bot that was added."""

    bot: BotBody
    warning: str | None = Field(description="What stands in its way, if anything.")


class RemovedBody(BaseModel):
    """A bot that was removed."""

    name: str
    unsent: int = Field(description="Messages that it has not sent: dead letters from now on.")


class CodeBody(BaseModel):
    """A code that lets one person talk to one bot, once, within the hour."""

    code: str


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _BotRoutes(services)
    made = APIRouter(
        prefix="/api/bots",
        tags=["bots"],
        dependencies=[Depends(caller_guard(services)), Depends(known_alone)],
        route_class=bounded_route(MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("", routes.add, methods=["POST"], status_code=HTTPStatus.CREATED)
    made.add_api_route("/{name}", routes.remove, methods=["DELETE"])
    made.add_api_route("/{name}/pause", routes.pause, methods=["POST"])
    made.add_api_route("/{name}/resume", routes.resume, methods=["POST"])
    made.add_api_route("/{name}/pairing-code", routes.pair, methods=["POST"])
    return made


class _BotRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._seal = seal_of(services.settings)

    async def list_all(self) -> BotListBody:
        """List the added bots."""
        found = await self._services.db.read(list_bots)
        return BotListBody(bots=[BotBody.of(bot) for bot in found])

    async def add(self, request: Request, wanted: NewBotBody) -> AddedBody:
        """Add a bot, once Telegram knows its token; it is at work within a few seconds."""
        settings = self._services.settings
        try:
            seal = self._seal()
        except SettingsError as error:
            raise Conflict(str(error)) from error
        token = wanted.token.get_secret_value()
        wish = Wish(wanted.name, token, wanted.repository, wanted.backend, wanted.is_polled)
        async with aiohttp.ClientSession() as session:
            new, warning = await introduced(wanted_bot(wish, settings), settings, session)
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> BotBody:
            add_bot(conn, seal, new, now_ms)
            return BotBody.of(get_bot(conn, new.name))

        return AddedBody(bot=await self._act(request, "bot.add", new.name, unit), warning=warning)

    async def remove(self, request: Request, name: str) -> RemovedBody:
        """Remove a bot with its secrets; what it has not sent becomes dead letters."""
        bot = await self._services.db.read(lambda conn: get_bot(conn, name))
        async with aiohttp.ClientSession() as session:
            await take_leave(bot, self._seal, self._services.settings, session)
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> RemovedBody:
            return RemovedBody(name=name, unsent=remove_bot(conn, name, now_ms))

        return await self._act(request, "bot.remove", name, unit)

    async def pause(self, request: Request, name: str) -> BotBody:
        """Have a bot neither listen nor answer; what waits is kept."""
        return await self._pause(request, name, is_paused=True)

    async def resume(self, request: Request, name: str) -> BotBody:
        """Have a paused bot go on."""
        return await self._pause(request, name, is_paused=False)

    async def pair(self, name: str) -> CodeBody:
        """Make a code that lets one person talk to this bot."""
        services = self._services
        bot = await services.db.read(lambda conn: get_bot(conn, name))
        draw = secrets.token_bytes(16)
        return CodeBody(code=await new_pairing_code(services.db, services.clock, draw, bot.bot_id))

    async def _pause(self, request: Request, name: str, *, is_paused: bool) -> BotBody:
        def unit(conn: Connection) -> BotBody:
            pause_bot(conn, name, is_paused=is_paused)
            return BotBody.of(get_bot(conn, name))

        return await self._act(request, "bot.pause" if is_paused else "bot.resume", name, unit)

    async def _act(self, request: Request, action: str, name: str, unit: Callable[[Connection], T]) -> T:
        done = await act(self._services, request, action, name, unit)
        self._services.feed.publish(TOPIC)
        return done
