"""The routes by which a browser talks to a voice agent of ElevenLabs: its address, its session, its settings.

The talk itself goes from the browser to ElevenLabs; what is said comes here as messages of an agent
conversation, and what the agent wants done as calls of `POST /agent-tools`.
Source: contract of cursor-agents, sections B2 (Voice, Agent config).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.agent_conversations import UNKNOWN, agent_topic
from wireroom.api.bodies import iso
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import NO_CACHE, ShortRefusal, checked, described_body, json_response, read_object
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.conversations.agent import note_agent_session
from wireroom.errors import NotFound, SpeechError
from wireroom.store.database import after_commit

_SIGNED_FOR = timedelta(minutes=15)
"""How long ElevenLabs takes a signed address. Source: ElevenLabs, Agents, signed URLs."""
_SESSION_FOR = timedelta(minutes=10)
_LONGEST_SECONDS = 15.0
_Text = Annotated[str, Field(max_length=2000)]


class VoiceSession(BaseModel):
    """The body that tells of a talk that has begun."""

    session_url: _Text = Field(alias="sessionUrl")
    session_id: _Text = Field(alias="sessionId")
    metadata: dict[str, Any] | None = None


def router(services: Services) -> APIRouter:
    """Return the routes."""
    routes = _VoiceRoutes(services)
    made = APIRouter(
        tags=["voice agent"],
        dependencies=[Depends(caller_guard(services))],
        default_response_class=Response,
        route_class=LazyRoute,
    )
    made.add_api_route("/signed-url", routes.signed_url)
    made.add_api_route("/config", routes.config)
    made.add_api_route("/config/health", routes.health)
    made.add_api_route(
        "/agent-conversations/api/{conversation_id}/session",
        routes.begin_session,
        methods=["POST"],
        openapi_extra=described_body(VoiceSession),
    )
    return made


class _VoiceRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._settings = services.settings

    async def signed_url(self, request: Request) -> Response:
        """Give an address by which a browser may talk to the agent: `agentId`; without one, the settings'."""
        agent_id = request.query_params.get("agentId") or self._settings.voice_agent_id
        if not agent_id:
            raise ShortRefusal(HTTPStatus.BAD_REQUEST, "agentId is required", NO_CACHE)
        sign = self._services.sign_talk
        if sign is None:
            raise ShortRefusal(HTTPStatus.SERVICE_UNAVAILABLE, "ELEVENLABS_API_KEY is not set", NO_CACHE)
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                address = await sign(agent_id)
        except (SpeechError, TimeoutError) as error:
            reason = str(error) or "ElevenLabs does not answer."
            raise ShortRefusal(HTTPStatus.BAD_GATEWAY, reason, NO_CACHE) from error
        ends = self._services.clock.now() + _SIGNED_FOR
        body = {"success": True, "signedUrl": address, "expiresAt": iso(to_ms(ends))}
        return json_response(body, headers=NO_CACHE)

    async def config(self) -> Response:
        """Tell how voice agents are set up; no secret is told."""
        settings = self._settings
        body = {
            "agentId": settings.voice_agent_id,
            "agentUrl": self._services.base_url(),
            "cursorRunnerUrl": settings.cursor_runner_url or self._services.base_url(),
            "webhookSecretConfigured": bool(self._services.api_secret),
            "redisUrl": "set" if settings.redis_url.get_secret_value() else "",
            "hasApiKey": bool(settings.elevenlabs_api_key.get_secret_value()),
        }
        return json_response({"success": True, "config": body}, headers=NO_CACHE)

    async def health(self) -> Response:
        """Tell whether a talk could begin: there are a key and an agent."""
        settings = self._settings
        ready = bool(settings.elevenlabs_api_key.get_secret_value() and settings.voice_agent_id)
        body = {
            "service": "elevenlabs-agent",
            "status": "ok" if ready else "degraded",
            "dependencies": {
                "redis": "configured" if settings.redis_url.get_secret_value() else "not used",
                "cursorRunner": "ok",
            },
            "timestamp": iso(to_ms(self._services.clock.now())),
        }
        return json_response(body, headers=NO_CACHE)

    async def begin_session(self, request: Request, conversation_id: str) -> Response:
        """Note that a talk has begun in an agent conversation; it counts as active for ten minutes.

        Of the session's address only the host and path are kept: the rest of it lets in.
        """
        given = checked(VoiceSession, await read_object(request))
        now = self._services.clock.now()
        session = {
            "sessionId": given.session_id,
            "sessionUrl": _without_query(given.session_url),
            "expiresAt": iso(to_ms(now + _SESSION_FOR)),
            **({"metadata": given.metadata} if given.metadata else {}),
        }

        def unit(conn: Connection) -> None:
            note_agent_session(conn, conversation_id, session, to_ms(now))
            after_commit(conn, lambda: self._services.feed.publish(agent_topic(conversation_id)))

        try:
            await self._services.db.write(unit)
        except NotFound as error:
            raise ShortRefusal(HTTPStatus.NOT_FOUND, UNKNOWN, NO_CACHE) from error
        body = {"success": True, "conversationId": conversation_id, "sessionId": given.session_id}
        return json_response(body, headers=NO_CACHE)


def _without_query(address: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in {"ws", "wss", "http", "https"}:
        raise ShortRefusal(HTTPStatus.BAD_REQUEST, "sessionUrl must be a web address", NO_CACHE)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"
