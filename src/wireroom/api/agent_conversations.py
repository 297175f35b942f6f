"""`/api/agent/*` and `/agent-conversations/api/*`: talks that other programs keep here; nothing is run."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.conversation_bodies import agent_conversation_body
from wireroom.api.guard import caller_guard
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
from wireroom.api.runner_bodies import plain_text
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.conversations.agent import (
    AgentMessage,
    AgentOrder,
    agent_messages_of,
    append_agent_message,
    count_agent_conversations,
    create_agent_conversation,
    find_agent_conversation,
    page_of_agent_conversations,
)
from wireroom.errors import NotFound
from wireroom.runs.feed import lane_topic
from wireroom.store.database import after_commit

MOST_MESSAGES = 1000
MOST_LISTED = 500
UNKNOWN = "Agent conversation not found"
_EXTRA = ("message_id", "tool_name", "tool_args", "tool_output")
_MOST_OFFSET = 1_000_000
_Text = Annotated[str, AfterValidator(plain_text)]
_Name = Annotated[_Text, Field(max_length=200)]


class NewAgentConversation(BaseModel):
    """The body of a wish for a new agent conversation."""

    agent_id: _Name | None = Field(None, alias="agentId")
    metadata: dict[str, Any] | None = None


class MessageToAgentConversation(BaseModel):
    """The body of a message to store."""

    role: Annotated[_Text, Field(max_length=50)] | None = Field(
        None, description="user, assistant, system or tool."
    )
    content: _Text | None = None
    source: Annotated[_Text, Field(max_length=50)] = "text"
    message_id: _Name | None = Field(None, alias="messageId")
    tool_name: _Name | None = Field(None, alias="toolName")
    tool_args: Any = Field(None, alias="toolArgs")
    tool_output: Any = Field(None, alias="toolOutput")

    def message(self) -> AgentMessage:
        """Return what is stored.

        Raises:
            ShortRefusal: 400, role or content is missing.
        """
        if not self.role or not self.content:
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "Missing required fields: role, content", NO_CACHE)
        extra = {name: getattr(self, name) for name in _EXTRA if getattr(self, name) is not None}
        return AgentMessage(self.role, self.content, self.source, extra)


class _Listing(BaseModel):
    limit: int = MOST_LISTED
    offset: int = 0
    order: AgentOrder = AgentOrder.ACTIVE
    descending: bool = True


def agent_topic(conversation_id: str) -> str:
    """Return the feed's topic of one agent conversation."""
    return lane_topic(f"agent:{conversation_id}")


def router(services: Services, prefix: str) -> APIRouter:
    """Return the routes below `/api/agent` or `/agent-conversations/api`."""
    routes = _AgentRoutes(services)
    made = APIRouter(
        prefix=prefix,
        tags=["agent conversations"],
        dependencies=[Depends(caller_guard(services))],
        default_response_class=Response,
        route_class=LazyRoute,
    )
    made.add_api_route("/list", routes.list_all)
    made.add_api_route(
        "/new", routes.begin, methods=["POST"], openapi_extra=described_body(NewAgentConversation)
    )
    made.add_api_route(
        "/{conversation_id}/message",
        routes.store,
        methods=["POST"],
        openapi_extra=described_body(MessageToAgentConversation),
    )
    made.add_api_route("/{conversation_id}", routes.show)
    return made


class _AgentRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db

    async def list_all(self, request: Request) -> Response:
        """List agent conversations without their messages: `limit`, `offset`, `sortBy`, `sortOrder`."""
        wanted = _listing(request.query_params)
        found, total = await self._db.read(
            lambda conn: (
                page_of_agent_conversations(
                    conn,
                    order=wanted.order,
                    descending=wanted.descending,
                    limit=wanted.limit,
                    offset=wanted.offset,
                ),
                count_agent_conversations(conn),
            )
        )
        pagination = {
            "total": total,
            "limit": wanted.limit,
            "offset": wanted.offset,
            "hasMore": wanted.offset + len(found) < total,
        }
        body = {"conversations": [agent_conversation_body(one) for one in found], "pagination": pagination}
        return json_response(body, headers=NO_CACHE)

    async def begin(self, request: Request) -> Response:
        """Begin an agent conversation."""
        body = checked(NewAgentConversation, await read_object(request))
        now_ms = to_ms(self._services.clock.now())
        conversation_id = fresh_request_id("agent", now_ms)
        await self._db.write(
            lambda conn: create_agent_conversation(
                conn, conversation_id, agent_id=body.agent_id, metadata=body.metadata, now_ms=now_ms
            )
        )
        answer = {
            "success": True,
            "conversationId": conversation_id,
            "message": "New agent conversation created",
        }
        return json_response(answer, headers=NO_CACHE)

    async def store(self, request: Request, conversation_id: str) -> Response:
        """Store a message."""
        message = checked(MessageToAgentConversation, await read_object(request)).message()
        now_ms = to_ms(self._services.clock.now())

        def unit(conn: Connection) -> None:
            append_agent_message(conn, conversation_id, message, now_ms)
            after_commit(conn, lambda: self._services.feed.publish(agent_topic(conversation_id)))

        try:
            await self._db.write(unit)
        except NotFound as error:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, UNKNOWN, NO_CACHE) from error
        answer = {
            "success": True,
            "conversationId": conversation_id,
            "message": "Message added to conversation",
        }
        return json_response(answer, headers=NO_CACHE)

    async def show(self, conversation_id: str) -> Response:
        """Show an agent conversation with its newest messages; changes nothing."""
        body = await self._db.read(lambda conn: read_agent_body(conn, conversation_id))
        if body is None:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, UNKNOWN, NO_CACHE)
        return json_response(body, headers=NO_CACHE)


def read_agent_body(conn: Connection, conversation_id: str) -> dict[str, Any] | None:
    """Return an agent conversation as it is sent, None when there is none of this id."""
    found = find_agent_conversation(conn, conversation_id)
    if found is None:
        return None
    return agent_conversation_body(found, agent_messages_of(conn, conversation_id, limit=MOST_MESSAGES))


def _listing(query: QueryParams) -> _Listing:
    """Read the parameters of a list; refuse them in the older runner's words."""
    limit = _number(query.get("limit"), 1, "limit must be a positive integer")
    offset = _number(query.get("offset"), 0, "offset must be a non-negative integer")
    order = query.get("sortBy") or AgentOrder.ACTIVE.value
    if order not in set(AgentOrder):
        raise _refused(f"sortBy must be one of: {', '.join(AgentOrder)}")
    direction = query.get("sortOrder") or "desc"
    if direction not in {"asc", "desc"}:
        raise _refused("sortOrder must be one of: asc, desc")
    return _Listing(
        limit=MOST_LISTED if limit is None else min(limit, MOST_LISTED),
        offset=0 if offset is None else min(offset, _MOST_OFFSET),
        order=AgentOrder(order),
        descending=direction == "desc",
    )


def _number(given: str | None, least: int, refusal: str) -> int | None:
    if not given:
        return None
    if not (given.isascii() and given.isdigit()) or int(given[:12]) < least:
        raise _refused(refusal)
    return int(given[:12])


def _refused(message: str) -> ShortRefusal:
    return ShortRefusal(HTTPStatus.BAD_REQUEST, message, NO_CACHE)
