"""`/api/chat`: the page's own chat, one lane with its conversations, through the same door as every other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Header, HTTPException, Query
from pydantic import BaseModel, Field, field_validator
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.auth import identify
from wireroom.api.bodies import AskedBody, Pagination
from wireroom.api.chat_bodies import ChatBody, ConversationBody, ConversationListBody, PairingCodeBody
from wireroom.api.chat_cursor import parse_cursor
from wireroom.api.chat_files import inbox_of
from wireroom.api.chat_news import LaneReader
from wireroom.api.chat_view import chat_runs, conversation_rows, read_chat
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.requests import Page, PerPage, RequestId, ask_once, bounded_route
from wireroom.api.services import WEB_LANE, Services
from wireroom.api.sse import DESCRIBED, EventStream, follow
from wireroom.clock import to_ms
from wireroom.conversations.summaries import (
    ConversationSummary,
    count_conversations,
    current_summary,
    list_conversations,
    summary_of,
)
from wireroom.errors import BadInput, NotFound
from wireroom.intake.ask import Question
from wireroom.runs.feed import lane_topic
from wireroom.store.database import after_commit
from wireroom.workspaces.inbox import told

MAX_FILES = 20
MAX_TEXT_BYTES = 200_000
CHANNEL = "web"

# JSON may write one byte of text as six (\u00XX).
_MAX_BODY_BYTES = 6 * MAX_TEXT_BYTES + 10_000
_Limit = Annotated[int, Query(ge=1, le=500, description="Newest runs to show.")]


class MessageRequest(BaseModel):
    """What a person typed."""

    request_id: RequestId
    text: str = Field(description=f"At most {MAX_TEXT_BYTES} bytes in UTF-8; may be empty beside files.")
    files: list[str] = Field(
        default_factory=list, max_length=MAX_FILES, description="Ids of files that were given before."
    )

    @field_validator("text")
    @classmethod
    def _is_text(cls, value: str) -> str:
        # JSON can write half of a surrogate pair, which no database stores.
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("holds half a character")
        return value


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _ChatRoutes(services)
    made = APIRouter(
        prefix="/api/chat",
        tags=["chat"],
        dependencies=[Depends(caller_guard(services))],
        route_class=bounded_route(_MAX_BODY_BYTES),
    )
    made.add_api_route("", routes.current)
    made.add_api_route("/conversations", routes.conversations)
    made.add_api_route("/conversations/{conversation_id}", routes.conversation)
    made.add_api_route("/stream", routes.stream, response_class=Response, responses=DESCRIBED)
    made.add_api_route("/messages", routes.say, methods=["POST"], status_code=HTTPStatus.ACCEPTED)
    made.add_api_route("/new", routes.begin, methods=["POST"])
    made.add_api_route("/pairing-code", routes.pairing_code, methods=["POST"])
    return made


class _ChatRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._db = services.db
        self._inbox = inbox_of(services)

    async def current(self, limit: _Limit = 50) -> ChatBody:
        """Show the current conversation with its newest runs, and where the live stream goes on."""
        return await self._show(lambda conn: current_summary(conn, WEB_LANE), limit)

    async def conversation(self, conversation_id: str, limit: _Limit = 50) -> ChatBody:
        """Show a conversation of the page's chat."""

        def find(conn: Connection) -> ConversationSummary:
            found = summary_of(conn, conversation_id)
            if found is None or found.lane != WEB_LANE:
                raise NotFound(f"There is no conversation {conversation_id}.")
            return found

        return await self._show(find, limit)

    async def conversations(self, page: Page = 1, per_page: PerPage = 50) -> ConversationListBody:
        """List the page's conversations, the most recently active first, without their messages."""
        found, total = await self._db.read(
            lambda conn: (
                list_conversations(conn, WEB_LANE, limit=per_page, offset=(page - 1) * per_page),
                count_conversations(conn, WEB_LANE),
            )
        )
        return ConversationListBody(
            conversations=[ConversationBody.of(conversation) for conversation in found],
            pagination=Pagination.of(page, per_page, total),
        )

    async def stream(
        self,
        request: Request,
        after: Annotated[str | None, Query(description="The `cursor` of what was shown.")] = None,
        last_event_id: Annotated[str | None, Header(description="Wins over `after`.")] = None,
    ) -> EventStream:
        """Follow the page's whole lane live: messages named `news`, see `ChatNewsBody`.

        Without a cursor it begins with the runs that are open now and their logs from the start.
        """
        position = last_event_id or after
        if position:
            cursor = parse_cursor(position)
        else:
            cursor = (await self._db.read(lambda conn: read_chat(conn, WEB_LANE, None, 1))).cursor
        return EventStream(self._follow(request, LaneReader(self._db, WEB_LANE, cursor)))

    async def say(self, request: Request, wanted: MessageRequest) -> AskedBody:
        """Store a message as a run of the current conversation; the same request id is one run."""
        text = told(wanted.text.replace("\x00", "").strip(), self._inbox.find(wanted.files))
        if not text:
            raise BadInput("The message is empty.")
        if len(text.encode()) > MAX_TEXT_BYTES:
            raise HTTPException(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A message may have at most {MAX_TEXT_BYTES} bytes."
            )
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())
        question = Question(wanted.request_id, text, WEB_LANE, CHANNEL)

        def unit(conn: Connection) -> AskedBody:
            asked = ask_once(conn, self._services.asker, question, now_ms)
            if asked.created:
                note_action(conn, caller, "chat.message", asked.run_id, now_ms=now_ms)
            return asked

        return await self._db.write(unit)

    async def begin(self, request: Request) -> ConversationBody:
        """Begin a new conversation, unless the current one is still empty; what runs or waits goes on."""
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> ConversationSummary | None:
            current = current_summary(conn, WEB_LANE)
            if current is None or conversation_rows(conn, current.id, 1):
                begun = self._services.asker.begin(conn, WEB_LANE, CHANNEL, now_ms)
                note_action(conn, caller, "conversation.new", begun.id, now_ms=now_ms)
                after_commit(conn, self._tell)
                current = summary_of(conn, begun.id)
            return current

        conversation = await self._db.write(unit)
        if conversation is None:
            raise NotFound("The new conversation is gone already.")
        return ConversationBody.of(conversation)

    async def pairing_code(self, request: Request) -> PairingCodeBody:
        """Make a code that lets a person talk to the bot: they send it as their first message."""
        if self._services.fresh_pairing_code is None:
            raise NotFound("No bot is configured. Set TELEGRAM_BOT_TOKEN and start Wireroom again.")
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())
        code = await self._services.fresh_pairing_code()
        await self._db.write(
            lambda conn: note_action(conn, caller, "pairing.code", "telegram", now_ms=now_ms)
        )
        return PairingCodeBody(code=code)

    async def _show(self, find: Callable[[Connection], ConversationSummary | None], limit: int) -> ChatBody:
        shown = await self._db.read(lambda conn: read_chat(conn, WEB_LANE, find(conn), limit))
        return ChatBody(
            conversation=ConversationBody.of(shown.conversation) if shown.conversation else None,
            runs=await chat_runs(shown.rows, shown.ahead),
            earlier=shown.earlier,
            cursor=str(shown.cursor),
        )

    async def _follow(self, request: Request, reader: LaneReader) -> AsyncGenerator[str, None]:
        async def is_welcome() -> bool:
            return await identify(request, self._services) is not None

        with self._services.feed.listen(lane_topic(WEB_LANE)) as news:
            async for text in follow(news, reader.look, is_welcome, self._services.clock):
                yield text

    def _tell(self) -> None:
        self._services.feed.publish(lane_topic(WEB_LANE))
