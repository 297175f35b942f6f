"""`/api/backends`: the coding agents that this installation could use, and a trial of each."""

from __future__ import annotations

import asyncio
import os
from time import perf_counter

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.requests import Request

from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.doctor.back_end_trial import try_back_end
from wireroom.doctor.back_ends import BackEndView, list_back_ends, view_back_end
from wireroom.errors import Conflict


class BackEndBody(BaseModel):
    """A back end."""

    name: str
    title: str
    is_default: bool = Field(description="It serves new runs that name none.")
    is_ready: bool = Field(description="Its program is there, or its setting is made; a trial tells more.")
    found: str = Field(description="Where its program or runner is, or what was looked for; may be empty.")
    variable: str = Field(description="The setting that names it; empty: it needs none.")
    mend: str = Field(description="What to do where it is not ready.")

    @classmethod
    def of(cls, view: BackEndView) -> BackEndBody:
        """Return the back end as it is sent."""
        return cls(
            name=view.name,
            title=view.title,
            is_default=view.is_default,
            is_ready=view.is_ready,
            found=view.found,
            variable=view.variable,
            mend=view.mend,
        )


class BackEndListBody(BaseModel):
    """All back ends, in the order in which `auto` looks for them."""

    default: str
    backends: list[BackEndBody]


class TrialBody(BaseModel):
    """What a trial found."""

    name: str
    ok: bool
    text: str
    mend: str = Field(description="What to do; empty when it works.")
    seconds: float


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _BackEndRoutes(services)
    made = APIRouter(
        prefix="/api/backends",
        tags=["back ends"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", routes.list_all)
    made.add_api_route("/{name}/test", routes.test, methods=["POST"])
    return made


class _BackEndRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._under_trial: set[str] = set()

    @property
    def _default(self) -> str:
        return self._services.asker.backend

    async def list_all(self) -> BackEndListBody:
        """List the back ends: which are there, which serves new runs, and what the others need."""
        found = await asyncio.to_thread(list_back_ends, self._services.settings, os.environ, self._default)
        return BackEndListBody(default=self._default, backends=[BackEndBody.of(view) for view in found])

    async def test(self, request: Request, name: str) -> TrialBody:
        """Start a back end's program for a moment and tell what it says; no model is called."""
        settings, now_ms = self._services.settings, to_ms(self._services.clock.now())
        view_back_end(name, settings, os.environ, self._default)
        if name in self._under_trial:
            raise Conflict(f"{name} is being tested already. Its answer is a few seconds away.")
        caller = caller_of(request)
        await self._services.db.write(
            lambda conn: note_action(conn, caller, "backend.test", name, now_ms=now_ms)
        )
        self._under_trial.add(name)
        began = perf_counter()
        try:
            found = await try_back_end(name, settings, os.environ)
        finally:
            self._under_trial.discard(name)
        took = round(perf_counter() - began, 3)
        return TrialBody(name=name, ok=found.ok, text=found.text, mend=found.mend, seconds=took)
