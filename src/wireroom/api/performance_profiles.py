"""`/api/performance/profiles`: take a profile of this process, and read the last ten as flame graphs."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from wireroom.api.bodies import iso
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.profile import admins_alone
from wireroom.api.requests import bounded_route
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import NotFound
from wireroom.perf.profile_boxes import Boxes
from wireroom.perf.profile_shelf import KeptProfile, ProfileShelf, ProfileState
from wireroom.perf.profiles import LONGEST_SECONDS, ProfileKind

_MAX_BODY_BYTES = 1000
_SECONDS_DIGITS = 4


class ProfileRequest(BaseModel):
    """What to look into, and for how long."""

    kind: Literal["cpu", "loop", "memory"] = "cpu"
    seconds: float = Field(default=10.0, gt=0, le=LONGEST_SECONDS)


class ProfileBody(BaseModel):
    """A profile in the list."""

    id: str
    kind: ProfileKind
    began_at: str
    seconds: float = Field(description="How long it was asked to look.")
    state: ProfileState
    facts: dict[str, str] = Field(description="What it says in short, such as who took it.")

    @classmethod
    def of(cls, one: KeptProfile) -> Self:
        """Return a profile as JSON."""
        return cls(
            id=one.id,
            kind=one.kind,
            began_at=iso(one.began_ms),
            seconds=one.seconds,
            state=one.state,
            facts=dict(one.facts),
        )


class ProfileListBody(BaseModel):
    """The last profiles, newest first."""

    profiles: list[ProfileBody]


class FlameBody(BaseModel):
    """A profile with its flame graph."""

    profile: ProfileBody
    unit: str = Field(description="seconds or bytes: of every weight.")
    total: float
    frames: list[tuple[str, str, bool]] = Field(description="Name, place, and whether it is Wireroom's own.")
    boxes: list[tuple[int, int, float, float]] = Field(
        description="Depth, number of the frame, weight with what it calls, weight of itself; a box stands "
        "before what it calls, the first is the whole."
    )
    left_out: int = Field(description="Boxes too small to be sent; the boxes above have their weight.")

    @classmethod
    def of(cls, profile: KeptProfile, found: Boxes) -> Self:
        """Return a flame graph as JSON."""
        digits = _SECONDS_DIGITS if found.unit == "seconds" else 0
        return cls(
            profile=ProfileBody.of(profile),
            unit=found.unit,
            total=round(found.total, digits),
            frames=[(one.name, one.place, one.is_ours) for one in found.frames],
            boxes=[
                (depth, frame, round(weight, digits), round(itself, digits))
                for depth, frame, weight, itself in found.boxes
            ],
            left_out=found.left_out,
        )


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = _ProfileRoutes(services)
    made = APIRouter(
        prefix="/api/performance/profiles",
        tags=["performance"],
        dependencies=[Depends(caller_guard(services)), Depends(admins_alone)],
        route_class=bounded_route(_MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("", routes.take, methods=["POST"], status_code=HTTPStatus.ACCEPTED)
    made.add_api_route("/{profile_id}", routes.show)
    return made


class _ProfileRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def list_all(self) -> ProfileListBody:
        """List the last ten profiles, newest first; they are in memory, and gone with a restart."""
        return ProfileListBody(profiles=[ProfileBody.of(one) for one in self._shelf().all()])

    async def take(self, request: Request, body: ProfileRequest) -> ProfileBody:
        """Begin to take a profile; 409 while another one is being taken."""
        begun = await self._shelf().begin(ProfileKind(body.kind), body.seconds)
        now_ms, caller = to_ms(self._services.clock.now()), caller_of(request)
        await self._services.db.write(
            lambda conn: note_action(conn, caller, "profile.take", body.kind, now_ms=now_ms)
        )
        return ProfileBody.of(begun)

    async def show(self, profile_id: str) -> FlameBody:
        """Show a profile's flame graph; 404 while it is being taken."""
        profile = self._shelf().find(profile_id)
        if profile.state is not ProfileState.TAKEN:
            raise NotFound(f"The profile {profile_id} has no flame graph: {profile.state}.")
        return await asyncio.to_thread(lambda: FlameBody.of(profile, profile.boxes()))

    def _shelf(self) -> ProfileShelf:
        shelf = self._services.shelf
        if shelf is None:
            raise NotFound("This process cannot be profiled.")
        return shelf
