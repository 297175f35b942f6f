"""`GET /api/environment`: the settings that the start has read, for people; secrets only as set or unset."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.doctor.environment import DOCUMENTED_IN, ShownSetting, show_settings


class ShownSettingBody(BaseModel):
    """One setting of the environment."""

    variable: str = Field(description="The environment variable that sets it.")
    also: list[str] = Field(description="Older names of it.")
    value: str | None = Field(description="What is in force; null for a secret.")
    default: str | None = Field(description="What counts when it is not set; null for a secret.")
    is_set: bool
    is_secret: bool
    meaning: str

    @classmethod
    def of(cls, shown: ShownSetting) -> ShownSettingBody:
        """Return the setting as it is sent."""
        return cls(
            variable=shown.variable,
            also=list(shown.also),
            value=shown.value,
            default=shown.default,
            is_set=shown.is_set,
            is_secret=shown.is_secret,
            meaning=shown.meaning,
        )


class EnvironmentBody(BaseModel):
    """Every setting, in the order of the reference."""

    documented_in: str = Field(description="The page of the documentation that has them all.")
    settings: list[ShownSettingBody]


def router(services: Services) -> APIRouter:
    """Return the route; it knows its caller."""
    made = APIRouter(
        prefix="/api/environment",
        tags=["settings"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )

    async def show_all() -> EnvironmentBody:
        """List the settings read at the start, with value, default and meaning; no secret is told."""
        shown = [ShownSettingBody.of(one) for one in show_settings(services.settings)]
        return EnvironmentBody(documented_in=DOCUMENTED_IN, settings=shown)

    made.add_api_route("", show_all)
    return made
