"""`/api/scripts`: the one-off scripts that agents have left in their folder."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from wireroom.api.bodies import Pagination, iso
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.requests import Page, PerPage
from wireroom.api.services import Services
from wireroom.workspaces.scripts import Script, list_scripts, scripts_folder


class ScriptBody(BaseModel):
    """A file in the scripts folder."""

    name: str = Field(description="Below the folder, with `/` between its parts.")
    size_bytes: int
    modified_at: str

    @classmethod
    def of(cls, script: Script) -> ScriptBody:
        """Return the script as it is sent."""
        return cls(name=script.name, size_bytes=script.size_bytes, modified_at=iso(script.modified_ms))


class ScriptListBody(BaseModel):
    """One page of scripts, by name."""

    folder: str
    scripts: list[ScriptBody]
    pagination: Pagination


def router(services: Services) -> APIRouter:
    """Return the route; it knows its caller."""
    folder = scripts_folder(services.settings)

    async def list_all(page: Page = 1, per_page: PerPage = 50) -> ScriptListBody:
        """List the scripts that agents have left, by name, at most 1,000."""
        found = await asyncio.to_thread(list_scripts, folder)
        shown = found[(page - 1) * per_page : page * per_page]
        return ScriptListBody(
            folder=str(folder.resolve()),
            scripts=[ScriptBody.of(script) for script in shown],
            pagination=Pagination.of(page, per_page, len(found)),
        )

    made = APIRouter(
        prefix="/api/scripts",
        tags=["scripts"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("", list_all)
    return made
