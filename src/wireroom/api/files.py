"""`/api/files`: the files that agents work on, as the page shows them.

A *place* is a folder that files are looked at in: `repositories` for the folder of all repositories,
`conversation:<id>` and `run:<id>` for what those work in. Paths are relative to it.

    GET /api/files/tree?place=repositories&path=app
    → {"entries": [{"name": "src", "path": "app/src", "type": "directory"}, …], "truncated": false}

What may be seen at all is decided in `workspaces`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from wireroom.api.bodies import iso
from wireroom.api.file_stream import FileStream
from wireroom.api.guard import caller_guard
from wireroom.api.highlight import highlight
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.conversations.folders import folder_of, recent_folders
from wireroom.errors import BadInput, NotFound
from wireroom.runs.look import folder_of_run
from wireroom.workspaces.content import MOST_BYTES, FileText, NotText, TooLarge, read_content
from wireroom.workspaces.name_search import find_names
from wireroom.workspaces.open_file import OpenFile
from wireroom.workspaces.tree import FileNode
from wireroom.workspaces.workspace import Workspaces

REPOSITORIES = "repositories"
MOST_CONVERSATIONS = 50
MOST_HITS = 200
_Place = Annotated[str, Query(max_length=300, description="repositories, conversation:<id> or run:<id>.")]
_Path = Annotated[str, Query(max_length=4096, description="From the place's folder.")]
_nodes = msgspec.json.Decoder(list[FileNode]).decode


class PlaceBody(BaseModel):
    """A folder that files can be looked at in."""

    place: str
    title: str = Field(description="Of the conversation; empty for one without.")
    channel: str
    active_at: str


class PlacesBody(BaseModel):
    """Where there are files."""

    has_repositories: bool
    conversations: list[PlaceBody] = Field(description="Those with files of their own, newest first.")


class EntryBody(BaseModel):
    """A file or folder."""

    name: str
    path: str
    type: Literal["file", "directory"]


class EntriesBody(BaseModel):
    """What is in a folder, folders first."""

    entries: list[EntryBody]
    truncated: bool = Field(description="There is more than is listed.")


class HitsBody(BaseModel):
    """Files whose paths hold the words that were looked for."""

    paths: list[str]
    more: bool = Field(description="There are more than are told, or than were looked at.")


class TextBody(BaseModel):
    """A file, as far as it can be shown."""

    path: str
    kind: Literal["text", "binary", "large"]
    size: int | None = Field(description="In bytes; null for a binary file.")
    most: int = Field(default=MOST_BYTES, description="Bytes of the largest file that is shown.")
    language: str | None = Field(default=None, description="Null for lines without colours.")
    lines: list[str] = Field(default_factory=list, description="HTML of each line, safe to show.")


def router(services: Services, workspaces: Workspaces) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _FileRoutes(services, workspaces)
    made = APIRouter(
        prefix="/api/files",
        tags=["page"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("/places", routes.places)
    made.add_api_route("/tree", routes.tree)
    made.add_api_route("/text", routes.text)
    made.add_api_route("/raw", routes.raw, response_class=Response)
    made.add_api_route("/search", routes.search)
    return made


class _FileRoutes:
    def __init__(self, services: Services, workspaces: Workspaces) -> None:
        self._db = services.db
        self._workspaces = workspaces
        # A lexer holds the interpreter: one at a time is all that the other threads can stand.
        self._colours = asyncio.Semaphore(1)

    async def places(self) -> PlacesBody:
        """List where there are files."""
        known = await self._db.read(lambda conn: recent_folders(conn, 4 * MOST_CONVERSATIONS))
        root = self._workspaces.root

        def look() -> PlacesBody:
            shown = [one for one in known if self._is_own(one.workdir)][:MOST_CONVERSATIONS]
            return PlacesBody(
                has_repositories=root.is_dir(),
                conversations=[
                    PlaceBody(
                        place=f"conversation:{one.id}",
                        title=one.title,
                        channel=one.channel,
                        active_at=iso(one.active_at),
                    )
                    for one in shown
                ],
            )

        return await asyncio.to_thread(look)

    async def tree(self, place: _Place, path: _Path = "") -> EntriesBody:
        """List one folder."""
        folder = await self._folder(place, path)
        kept = await self._workspaces.trees.tree(folder, path, 1)
        entries = [EntryBody(name=node.name, path=node.path, type=node.type) for node in _nodes(kept.body)]
        return EntriesBody(entries=entries, truncated=kept.truncated)

    async def text(self, place: _Place, path: _Path) -> TextBody:
        """Show a text file in the colours of its language; of another one, that it cannot be shown."""
        folder = await self._folder(place, path)
        found = await asyncio.to_thread(read_content, folder, path)
        match found:
            case FileText(size, text):
                async with self._colours:
                    shown = await asyncio.to_thread(highlight, Path(path).name, text)
                return TextBody(path=path, kind="text", size=size, language=shown.language, lines=shown.lines)
            case TooLarge(size):
                return TextBody(path=path, kind="large", size=size)
            case NotText():
                return TextBody(path=path, kind="binary", size=None)

    async def raw(self, place: _Place, path: _Path) -> Response:
        """Send a file of any kind and size, piece by piece."""
        folder = await self._folder(place, path)
        return FileStream(await asyncio.to_thread(OpenFile, folder, path))

    async def search(
        self, place: _Place, words: Annotated[str, Query(min_length=1, max_length=200)]
    ) -> HitsBody:
        """Find files by their names; of a place with very many files, among the first of them."""
        kept = await self._workspaces.trees.tree(await self._folder(place))
        paths, more = await asyncio.to_thread(lambda: find_names(_nodes(kept.body), words, MOST_HITS))
        return HitsBody(paths=paths, more=more or kept.truncated)

    async def _folder(self, place: str, path: str = "") -> Path:
        """Return the folder of a place, in which the path is to be looked at.

        Raises:
            BadInput: it is no place.
            NotFound: it is unknown, gone, or not shown; or the path is not.
        """
        kind, _, name = place.partition(":")
        if place == REPOSITORIES:
            folder: str | None = str(self._workspaces.root)
        elif kind == "conversation":
            folder = await self._db.read(lambda conn: folder_of(conn, name))
        elif kind == "run":
            folder = await self._folder_of_run(name)
        else:
            raise BadInput(f"{place!r} is no place: repositories, conversation:<id> or run:<id>.")
        if folder is None:
            raise NotFound(f"There is no {kind} {name}.")
        open_to_people, not_own_data = self._workspaces.open_to_people, self._workspaces.not_own_data
        return await asyncio.to_thread(lambda: not_own_data(open_to_people(folder), path))

    async def _folder_of_run(self, run_id: str) -> str | None:
        own = await self._workspaces.own_worktree(run_id)
        if own is not None:
            return str(own.path)
        return await self._db.read(lambda conn: folder_of_run(conn, run_id))

    def _is_own(self, folder: str) -> bool:
        """Tell whether it is shown, has anything in it, and is not the folder of all repositories. Blocks."""
        try:
            found = self._workspaces.open_to_people(folder)
            return found != self._workspaces.root and any(found.iterdir())
        except (NotFound, OSError):
            return False
