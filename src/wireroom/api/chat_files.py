"""`POST /api/chat/files`: what people attach to a message, stored before it is acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel
from starlette.requests import Request

from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.workspaces.inbox import GivenFile, Inbox, TooLarge

PATH = "/api/chat/files"
_log = structlog.get_logger(__name__)


class FileBody(BaseModel):
    """A file that was given; its id goes into `files` of a message."""

    id: str
    name: str
    size: int
    """Bytes."""


def inbox_of(services: Services) -> Inbox:
    """Return the folder of this installation's given files."""
    return Inbox(services.settings.data_dir, max_bytes=services.settings.max_file_mib * 1024**2)


def router(services: Services) -> APIRouter:
    """Return the route."""
    made = APIRouter(
        prefix=PATH, tags=["chat"], dependencies=[Depends(caller_guard(services))], route_class=LazyRoute
    )
    inbox = inbox_of(services)

    async def give(request: Request, name: Annotated[str, Query(min_length=1, max_length=500)]) -> FileBody:
        """Store the body as a file; a message that names its id has the agent told where it is.

        The body is the file itself, of any type. What no message names is removed after 30 days.
        """
        given = await _keep(inbox, name, request)
        caller, now_ms = caller_of(request), to_ms(services.clock.now())
        await services.db.write(
            lambda conn: note_action(conn, caller, "file.give", given.id, now_ms=now_ms, detail=given.name)
        )
        return FileBody(id=given.id, name=given.name, size=given.size)

    made.add_api_route("", give, methods=["POST"], status_code=HTTPStatus.CREATED)
    return made


async def _keep(inbox: Inbox, name: str, request: Request) -> GivenFile:
    too_large = f"A file may have at most {inbox.max_bytes // 1024**2} MiB."
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > inbox.max_bytes:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large)
    try:
        return await inbox.keep(name, _pieces(request))
    except TooLarge as error:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
    except OSError as error:
        _log.warning("file_not_kept", reason=error.strerror)
        refusal = f"The file could not be stored ({error.strerror}). Nothing of it was kept; try again."
        raise HTTPException(HTTPStatus.INSUFFICIENT_STORAGE, refusal) from error


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    async for piece in request.stream():
        if piece:
            yield piece
