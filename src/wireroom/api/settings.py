"""`/api/settings`: the switches that people change while everything runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Body, Depends
from pydantic import BaseModel, Field, StrictBool, StrictInt
from sqlalchemy import Connection
from starlette.requests import Request

from wireroom.api.guard import caller_guard, caller_of
from wireroom.api.requests import bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.system_settings import SettingView, get_setting, list_settings, set_setting

_MAX_BODY_BYTES = 10_000
_MOST_AT_ONCE = 100
Value = StrictBool | StrictInt


class SettingBody(BaseModel):
    """One setting."""

    name: str
    value: int = Field(description="1 is on, 0 is off; other programs' settings may be any number.")
    default: int | None = Field(description="Without a row; null for a name that Wireroom does not know.")
    meaning: str
    updated_at: str | None = Field(description="As its writer put it, UTC; null without a row.")

    @classmethod
    def of(cls, setting: SettingView) -> SettingBody:
        """Return the setting as it is sent."""
        return cls(
            name=setting.name,
            value=setting.value,
            default=setting.default,
            meaning=setting.meaning,
            updated_at=setting.updated_at,
        )


class SettingListBody(BaseModel):
    """Every setting by name."""

    settings: list[SettingBody]


class SettingValue(BaseModel):
    """The value that a setting shall have."""

    value: Value


Values = Annotated[dict[str, Value], Body(max_length=_MOST_AT_ONCE, examples=[{"task_operator": 1}])]


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _SettingRoutes(services)
    made = APIRouter(
        prefix="/api/settings",
        tags=["settings"],
        dependencies=[Depends(caller_guard(services))],
        route_class=bounded_route(_MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("", routes.put_several, methods=["PUT"])
    made.add_api_route("/{name}", routes.show)
    made.add_api_route("/{name}", routes.put, methods=["PUT"])
    return made


class _SettingRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_all(self) -> SettingListBody:
        """List the settings: those that Wireroom knows, and those of other programs."""
        return _list_body(await self._services.db.read(list_settings))

    async def show(self, name: str) -> SettingBody:
        """Show one setting."""
        return SettingBody.of(await self._services.db.read(lambda conn: get_setting(conn, name)))

    async def put(self, request: Request, name: str, wanted: SettingValue) -> SettingBody:
        """Set one setting; unknown names are kept for other programs."""
        return (await self._put(request, {name: wanted.value}))[0]

    async def put_several(self, request: Request, wanted: Values) -> SettingListBody:
        """Set several settings, `{"task_operator": 1, "debug": false}`, all of them or none."""
        return SettingListBody(settings=await self._put(request, wanted))

    async def _put(self, request: Request, wanted: dict[str, Value]) -> list[SettingBody]:
        who, now_ms = caller_of(request).name, to_ms(self._services.clock.now())

        def unit(conn: Connection) -> list[SettingBody]:
            done = (
                set_setting(conn, name, int(value), who=who, now_ms=now_ms) for name, value in wanted.items()
            )
            return [SettingBody.of(setting) for setting in done]

        return await self._services.db.write(unit)


def _list_body(found: Sequence[SettingView]) -> SettingListBody:
    return SettingListBody(settings=[SettingBody.of(setting) for setting in found])
