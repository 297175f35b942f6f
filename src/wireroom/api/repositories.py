"""`/repositories/api/*` and the working directory: which files there are, and what is in a text file.

    GET /repositories/api/app/files?path=src&depth=1
    → [{"name": "deep", "path": "src/deep", "type": "directory"}, {"name": "a.py", "path": "src/a.py", …}]

The header `X-Wireroom-Truncated: true` says that there is more than is listed.
Source: contract of cursor-runner, sections 1.3 and 1.6; the content of files is new.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from wireroom.api.file_stream import FileStream
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import NO_CACHE
from wireroom.api.services import Services
from wireroom.errors import BadInput, NotFound
from wireroom.workspaces.content import MOST_BYTES, FileText, NotText, TooLarge, read_content
from wireroom.workspaces.kept_trees import KeptTree
from wireroom.workspaces.open_file import OpenFile
from wireroom.workspaces.tree import DEEPEST
from wireroom.workspaces.workspace import Workspaces

TRUNCATED = "X-Wireroom-Truncated"


class FileBody(BaseModel):
    """A text file."""

    repository: str
    path: str = Field(description="From the repository's folder.")
    size: int = Field(description="In bytes.")
    content: str


def router(services: Services, workspaces: Workspaces) -> APIRouter:
    """Return the repository browser; each of its routes knows its caller."""
    routes = _BrowserRoutes(workspaces)
    made = APIRouter(
        prefix="/repositories/api",
        tags=["repositories"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("/{repository:path}/files", routes.files, response_class=Response)
    made.add_api_route("/{repository:path}/file", routes.file)
    made.add_api_route("/{repository:path}/download", routes.download, response_class=Response)
    return made


def working_directory_router(services: Services, workspaces: Workspaces, prefix: str) -> APIRouter:
    """Return the route of the working directory below `/api` or `/conversations/api`.

    Mount it before the conversations, which end in a catch-all.
    """
    routes = _BrowserRoutes(workspaces)
    made = APIRouter(
        prefix=prefix,
        tags=["repositories"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("/working-directory/files", routes.working_directory, response_class=Response)
    return made


class _BrowserRoutes:
    def __init__(self, workspaces: Workspaces) -> None:
        self._workspaces = workspaces

    async def files(self, repository: str, path: str = "", depth: str = "") -> Response:
        """List a repository's files as a tree, or those of a folder within it."""
        levels = _levels(depth)
        folder = await asyncio.to_thread(self._folder, repository, path)
        return _listing(await self._workspaces.trees.tree(folder, path, levels))

    async def file(self, repository: str, path: str) -> FileBody:
        """Return a text file's content."""
        found = await asyncio.to_thread(lambda: read_content(self._folder(repository, path), path))
        match found:
            case FileText(size, text):
                return FileBody(repository=repository, path=path, size=size, content=text)
            case TooLarge(size):
                message = f"{path} has {size} bytes; at most {MOST_BYTES} are shown."
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)
            case NotText():
                raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"{path} is not a text file.")

    async def download(self, repository: str, path: str) -> Response:
        """Send a file of any kind and size, piece by piece."""
        return FileStream(await asyncio.to_thread(lambda: OpenFile(self._folder(repository, path), path)))

    async def working_directory(self, path: str = "", depth: str = "") -> Response:
        """List the folder of all repositories as a tree, or a folder within it."""
        levels, root = _levels(depth), self._workspaces.root
        if not await asyncio.to_thread(root.is_dir):
            raise NotFound(f"Working directory not found: {root}")
        shown = await asyncio.to_thread(self._workspaces.not_own_data, root, path)
        response = _listing(await self._workspaces.trees.tree(shown, path, levels))
        response.headers.update(NO_CACHE)
        return response

    def _folder(self, repository: str, path: str) -> Path:
        """Return the repository's folder, in which the path is to be looked at; the root has its own route.

        Raises:
            NotFound: there is none, or the path is not shown.
        """
        if not repository.strip("/ "):
            raise NotFound(f"Repository '{repository}' not found")
        return self._workspaces.not_own_data(self._workspaces.repositories.find(repository), path)


def _listing(tree: KeptTree) -> Response:
    headers = {TRUNCATED: "true"} if tree.truncated else {}
    return Response(tree.body, HTTPStatus.OK, headers, "application/json")


def _levels(depth: str) -> int:
    """Return how many levels to read: all that are allowed unless said otherwise, and no more.

    Raises:
        BadInput: it is no number from 1 up.
    """
    if not depth:
        return DEEPEST
    if not (depth.isascii() and depth.isdigit()) or not (levels := int(depth[:9])):
        raise BadInput("depth must be a positive integer")
    return min(levels, DEEPEST)
