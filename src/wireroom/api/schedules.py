"""`/api/schedules/preview`: what a schedule means, before anybody relies on it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from wireroom.agents.overview import next_times
from wireroom.agents.schedule import read_schedule, read_timezone
from wireroom.agents.schedule_words import in_words
from wireroom.api.bodies import iso
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import BadInput

PREVIEWED = 5
_GivenSchedule = Annotated[
    str,
    Query(
        max_length=1000, description='As an agent has it: cron, words, or JSON such as `{"every": 60000}`.'
    ),
]
_Zone = Annotated[str, Query(max_length=100, description="IANA name; the installation's unless given.")]


class Problem(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class PreviewBody(BaseModel):
    """What a schedule means; or why it means nothing."""

    words: str | None = Field(description='Such as "Every weekday at 07:30".')
    timezone: str
    next: list[str] = Field(description=f"The next {PREVIEWED} times; empty when it is over.")
    problem: Problem | None = Field(description="Why there is no answer; about `schedule` or `timezone`.")


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = _ScheduleRoutes(services)
    made = APIRouter(
        prefix="/api/schedules",
        tags=["agents"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("/preview", routes.preview)
    return made


class _ScheduleRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def preview(self, schedule: _GivenSchedule, timezone: _Zone = "") -> PreviewBody:
        """Tell a schedule in words, with its next times; what cannot be meant is no error of the call."""
        zone = timezone or self._services.settings.time_zone
        try:
            read_timezone(zone)
        except BadInput as error:
            return _refusal(zone, "timezone", error)
        try:
            read = read_schedule(_given(schedule), zone)
            found = next_times(read, to_ms(self._services.clock.now()) + 1, PREVIEWED)
        except BadInput as error:
            return _refusal(zone, "schedule", error)
        return PreviewBody(
            words=in_words(read), timezone=zone, next=[iso(slot) for slot in found], problem=None
        )


def _given(schedule: str) -> Any:
    """Return a schedule as an agent's maker gives it: an object of JSON, or the text itself."""
    if not schedule.lstrip().startswith("{"):
        return schedule
    try:
        return msgspec.json.decode(schedule)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput("schedule begins like JSON and is none.") from error


def _refusal(zone: str, field: str, error: BadInput) -> PreviewBody:
    return PreviewBody(words=None, timezone=zone, next=[], problem=Problem(field=field, message=str(error)))
