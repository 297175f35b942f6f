"""`/api/*` and `/conversations/api/*`: conversations as the older web client reads and continues them.

The routes end in a catch-all: mount them after every other route that begins with `/api`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.conversation_bodies import conversation_body, listed_body
from wireroom.api.guard import caller_guard, caller_of
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import (
    NO_CACHE,
    ShortRefusal,
    checked,
    described_body,
    fresh_request_id,
    json_response,
    read_object,
)
from wireroom.api.paging import AnyPage, AnyPerPage, Cursor, next_link, older_piece, read_cursor
from wireroom.api.program_door import ProgramDoor
from wireroom.api.requests import LARGEST
from wireroom.api.runner import acceptance, begin_conversation
from wireroom.api.runner_bodies import MessageToConversation, NewConversationRequest, plain_text
from wireroom.api.services import Services
from wireroom.api.streaming import DESCRIBED as LINES
from wireroom.api.streaming import wants_lines, whole_list
from wireroom.clock import to_ms
from wireroom.conversations.listing import page_of_conversations
from wireroom.conversations.pages import ConversationPages
from wireroom.conversations.threads import find_conversation
from wireroom.conversations.transcript import read_transcript
from wireroom.intake.program_requests import ProgramRequest, queue_lane

MOST_MESSAGES = 500
MOST_CHARS = 4_000_000
MOST_LISTED = 500
UNKNOWN = "Conversation not found"
RESERVED = frozenset({"agent", "chat", "deliveries", "runs", "tasks", "working-directory", "ws"})
"""Names below `/api` that are no conversations."""

_Limit = Annotated[int, Query(ge=1, le=MOST_LISTED)]
_Offset = Annotated[int, Query(ge=0, le=1_000_000)]
_Messages = Annotated[int, Query(ge=1, le=MOST_MESSAGES, description="Newest messages to send.")]
_Before = Annotated[int | None, Query(ge=1, le=LARGEST, description="Only messages before this number.")]


def router(services: Services, prefix: str) -> APIRouter:
    """Return the routes below `/api` or `/conversations/api`."""
    routes = _ConversationRoutes(services)
    made = APIRouter(
        prefix=prefix,
        tags=["conversations"],
        dependencies=[Depends(caller_guard(services))],
        default_response_class=Response,
        route_class=LazyRoute,
    )
    made.add_api_route("/list", routes.list_all, responses=LINES)
    made.add_api_route(
        "/new", routes.begin, methods=["POST"], openapi_extra=described_body(NewConversationRequest)
    )
    made.add_api_route(
        "/{conversation_id}/message",
        routes.say,
        methods=["POST"],
        openapi_extra=described_body(MessageToConversation),
    )
    made.add_api_route("/{conversation_id}", routes.show)
    return made


class _ConversationRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db
        self._pages = ConversationPages(services.db, services.cache)
        self._door = ProgramDoor(services)

    async def list_all(
        self,
        request: Request,
        *,
        limit: _Limit = MOST_LISTED,
        offset: _Offset = 0,
        page: AnyPage = None,
        per_page: AnyPerPage = None,
        cursor: Cursor = None,
        sort_order: Annotated[Literal["asc", "desc"], Query(alias="sortOrder")] = "desc",
        queue_type: Annotated[str | None, Query(alias="queueType", max_length=200)] = None,
    ) -> Response:
        """List conversations of every channel, by when something was last said; without their messages.

        A plain array, as the older runner sent; `X-Total-Count` tells how many there are in all, and `Link`
        where it goes on. Asked for as lines of JSON, it lists all of them.
        """
        lane = None if queue_type is None else queue_lane(queue_type)
        newest_first = sort_order == "desc"
        if wants_lines(request):
            return whole_list(
                self._db,
                lambda conn, after, size: page_of_conversations(
                    conn, lane=lane, limit=size, newest_first=newest_first, after=after
                ),
                lambda one: (one.active_at, one.id),
                lambda one: msgspec.json.encode(listed_body(one)),
            )
        piece = older_piece(limit, offset, page, per_page, read_cursor(cursor, int, str))
        kept = await self._pages.page(
            lane=lane, limit=piece.limit, offset=piece.offset, newest_first=newest_first, after=piece.after
        )
        found = piece.cut(kept.listed)
        more = next_link(request, found.cursor("active_at", "id"))
        headers = {**NO_CACHE, "X-Total-Count": str(kept.total), **more}
        return json_response([listed_body(one) for one in found.items], headers=headers)

    async def begin(self, request: Request) -> Response:
        """Begin a new conversation as its queue's current one."""
        response = await begin_conversation(self._services, self._door, request, default="api")
        response.headers.update(NO_CACHE)
        return response

    async def show(
        self, conversation_id: str, limit: _Messages = MOST_MESSAGES, before: _Before = None
    ) -> Response:
        """Show a conversation with its newest messages; changes nothing."""
        _leave_to_others(conversation_id)
        found = await self._db.read(
            lambda conn: read_transcript(
                conn, conversation_id, limit=limit, most_chars=MOST_CHARS, before=before
            )
        )
        if found is None:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, UNKNOWN, NO_CACHE)
        return json_response(conversation_body(found), headers=NO_CACHE)

    async def say(self, request: Request, conversation_id: str) -> Response:
        """Run a message in the conversation; how it ended is its next message, and told by the WebSocket."""
        _leave_to_others(conversation_id)
        body = checked(MessageToConversation, await read_object(request))
        text = plain_text(body.message).strip() if isinstance(body.message, str) else ""
        if not text:
            message = "Message is required and must be a non-empty string"
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, message, NO_CACHE)
        if await self._db.read(lambda conn: find_conversation(conn, conversation_id)) is None:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, UNKNOWN, NO_CACHE)
        now_ms = to_ms(self._services.clock.now())
        wanted = ProgramRequest(
            request_id=body.id or fresh_request_id("ui", now_ms),
            prompt=text,
            mode=body.mode,
            conversation_id=conversation_id,
            backend=body.backend or None,
            options=body.options("api", unattended=False),
        )
        accepted = await self._door.accept(caller_of(request), wanted)
        answer = acceptance(accepted.request_id, now_ms) | {
            "message": "Message accepted, processing asynchronously",
            "conversationId": accepted.conversation_id,
            "runId": accepted.run_id,
        }
        return json_response(answer, headers=NO_CACHE)


def _leave_to_others(name: str) -> None:
    """Answer as for a route that does not exist when the name belongs to another part of the API."""
    if name in RESERVED:
        raise HTTPException(HTTPStatus.NOT_FOUND)
