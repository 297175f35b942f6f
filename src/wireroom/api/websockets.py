"""The older runner's four WebSocket paths: a conversation, live.

The rows are the buffer: nothing is read for a subscriber before it has taken what came before, so a slow one
costs one message; one that takes none for `SEND_SECONDS` is let go. Pings are the server's own.
Source: contract of cursor-runner, section 1.8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from http import HTTPStatus

import msgspec
import structlog
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from wireroom.api.chat_cursor import parse_cursor
from wireroom.api.conversation_news import AgentConversationReader, ConversationReader, Reader
from wireroom.api.guard import admission
from wireroom.api.services import Services
from wireroom.api.sse import HEARTBEAT_SECONDS, POLL_SECONDS
from wireroom.clock import came_within
from wireroom.conversations.threads import find_conversation
from wireroom.errors import BadInput, Refused, StoreUnavailable
from wireroom.intake.program_requests import own_lane, turn_of
from wireroom.runs.feed import News, lane_topic

MOST_SUBSCRIBERS = 500
SEND_SECONDS = 10.0
CONVERSATIONS = ("/api/ws", "/conversations/api/ws")
AGENT_CONVERSATIONS = ("/api/agent/ws", "/agent-conversations/api/ws")
_MAX_ID_CHARS = 200
_log = structlog.get_logger(__name__)


class Ending(Enum):
    """Why we let a subscriber go: the close code and the word for it."""

    STOPPING = (1012, "the service stops")
    SLOW = (1013, "too slow")
    NO_STORE = (1013, "the database cannot be read")
    UNWELCOME = (1008, "the session has ended")


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes; any other path is answered 404 instead of being opened."""
    sockets = Subscriptions(services)
    return [
        *(WebSocketRoute(path, sockets.conversation) for path in CONVERSATIONS),
        *(WebSocketRoute(path, sockets.agent_conversation) for path in AGENT_CONVERSATIONS),
        WebSocketRoute("/{path:path}", _nothing_here),
    ]


class Subscriptions:
    """The open WebSockets of this process."""

    def __init__(self, services: Services) -> None:
        """Begin without subscribers."""
        self._services = services
        self._admit = admission(services)
        self._open = 0

    async def conversation(self, websocket: WebSocket) -> None:
        """Serve a subscriber of a conversation with the logs of its runs."""
        await self._serve(websocket, self._conversation_reader)

    async def agent_conversation(self, websocket: WebSocket) -> None:
        """Serve a subscriber of an agent conversation."""
        await self._serve(websocket, self._agent_reader)

    async def _conversation_reader(self, websocket: WebSocket) -> Reader:
        conversation_id = _wanted_id(websocket)
        after = websocket.query_params.get("after")
        cursor = parse_cursor(after) if after else None
        found = await self._services.db.read(lambda conn: find_conversation(conn, conversation_id))
        lane = own_lane(conversation_id) if found is None else turn_of(found)
        return ConversationReader(lane_topic(lane), conversation_id, cursor)

    async def _agent_reader(self, websocket: WebSocket) -> Reader:
        return AgentConversationReader(_wanted_id(websocket))

    async def _serve(self, websocket: WebSocket, opened: Callable[[WebSocket], Awaitable[Reader]]) -> None:
        try:
            await self._admit(websocket)
            reader = await opened(websocket)
        except HTTPException as error:
            await _deny(websocket, error.status_code, str(error.detail))
        except Refused as error:
            await _deny(websocket, HTTPStatus.FORBIDDEN, str(error))
        except BadInput as error:
            await _deny(websocket, HTTPStatus.BAD_REQUEST, str(error))
        except StoreUnavailable as error:
            await _deny(websocket, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        else:
            await self._subscribe(websocket, reader)

    async def _subscribe(self, websocket: WebSocket, reader: Reader) -> None:
        if self._open >= MOST_SUBSCRIBERS:
            await _deny(websocket, HTTPStatus.SERVICE_UNAVAILABLE, "Too many subscribers.")
            return
        self._open += 1
        try:
            await websocket.accept()
            await self._until_over(websocket, reader)
        finally:
            self._open -= 1

    async def _until_over(self, websocket: WebSocket, reader: Reader) -> None:
        sending = asyncio.create_task(self._send_news(websocket, reader), name="websocket news")
        leaving = asyncio.create_task(_until_gone(websocket), name="websocket end")
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if leaving.cancelled() and not sending.cancelled():
            await _close(websocket, sending.result())

    async def _send_news(self, websocket: WebSocket, reader: Reader) -> Ending:
        """Send until we have a reason to stop."""
        clock = self._services.clock
        checked_at = clock.monotonic()
        with self._services.feed.listen(reader.topic) as news:
            while True:
                news.clear()
                try:
                    if clock.monotonic() - checked_at >= HEARTBEAT_SECONDS:
                        checked_at = clock.monotonic()
                        await self._admit(websocket)
                    more = await self._send_once(websocket, reader)
                except (HTTPException, Refused):
                    return Ending.UNWELCOME
                except StoreUnavailable as error:
                    _log.warning("websocket_ended", reason=str(error))
                    return Ending.NO_STORE
                except TimeoutError:
                    return Ending.SLOW
                if news.over:
                    return Ending.STOPPING
                if not more:
                    await _wait_a_little(news)

    async def _send_once(self, websocket: WebSocket, reader: Reader) -> bool:
        """Send what there is now, and tell whether there is more."""

        def read(conn: Connection) -> tuple[list[str], bool]:
            look = reader.look(conn)
            return [msgspec.json.encode(one).decode() for one in look.messages], look.more

        texts, more = await self._services.db.read(read)
        for text in texts:
            async with asyncio.timeout(SEND_SECONDS):
                await websocket.send_text(text)
        return more


def _wanted_id(websocket: WebSocket) -> str:
    query = websocket.query_params
    wanted = query.get("conversationId") or query.get("id") or ""
    if not wanted or len(wanted) > _MAX_ID_CHARS or not wanted.isprintable():
        raise BadInput("conversationId is required")
    return wanted


async def _until_gone(websocket: WebSocket) -> None:
    """Return when the subscriber has left; what it sends is nothing to us."""
    with suppress(WebSocketDisconnect):
        while (await websocket.receive())["type"] != "websocket.disconnect":
            pass


async def _wait_a_little(news: News) -> None:
    """Wait for news, or a second in case the news was another process's."""
    await came_within(POLL_SECONDS, news.wait())


async def _close(websocket: WebSocket, ending: Ending) -> None:
    code, reason = ending.value
    # A subscriber that reads nothing does not take the close either; the server then drops it.
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(1):
            await websocket.close(code, reason)


async def _deny(websocket: WebSocket, status: int, why: str) -> None:
    await websocket.send_denial_response(PlainTextResponse(why, status))


async def _nothing_here(websocket: WebSocket) -> None:
    await _deny(websocket, HTTPStatus.NOT_FOUND, "Not Found")
