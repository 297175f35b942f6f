"""`POST /cursor-runner/callback`: a remote runner says how a run ended; it is stored before the 200.

Source: contract of telegram-receiver, sections 1.4 and 5; the differences are in
docs/reference/compatibility.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from wireroom.api.program_bodies import read_fields
from wireroom.callbacks.inbox import Received, accept_callback
from wireroom.callbacks.pending_states import PendingStates
from wireroom.clock import Clock, to_ms
from wireroom.errors import BadInput, RedisUnavailable, StoreUnavailable
from wireroom.intake.access import same_secret
from wireroom.intake.older_answers import answer_older_request
from wireroom.intake.webhook import BodyTooLarge, client_of
from wireroom.jobs.port import Jobs
from wireroom.runs.feed import Feed
from wireroom.store.database import Database

PATH = "/cursor-runner/callback"
MAX_BODY_BYTES = 10 * 1024 * 1024
_HEADERS = ("x-webhook-secret", "x-cursor-runner-secret")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_RETRY_AFTER_SECONDS = "2"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OlderRequests:
    """What is needed to answer a request that an older front end took."""

    states: PendingStates
    jobs: Jobs
    bot_id: int


class CallbackInbox:
    """Takes callbacks of remote runners."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        feed: Feed,
        *,
        secrets: Sequence[str],
        older: OlderRequests | None = None,
    ) -> None:
        """Take callbacks that carry one of the secrets; empty ones let nobody in.

        Args:
            db: Where they are stored.
            clock: The time.
            feed: Wakes who waits for them.
            secrets: What the callers know.
            older: Knows requests that an older front end took; None without Redis or a bot.
        """
        self._db = db
        self._clock = clock
        self._feed = feed
        self._secrets = secrets
        self._older = older

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route(PATH, self.receive, methods=["POST"])]

    async def receive(self, request: Request) -> Response:
        """Answer 200 once the result is durable, and for one that nobody waits for."""
        if not self._is_known(request):
            sent = [name for name in _HEADERS if name in request.headers]
            _log.warning("callback_unauthorized", client=client_of(request), headers=sent)
            return JSONResponse({"error": "Unauthorized"}, 401)
        try:
            fields = await read_fields(request, MAX_BODY_BYTES)
            request_id = request_id_of(fields)
            received = await self._accept(request_id, fields)
        except BodyTooLarge:
            return JSONResponse({"error": f"A callback may have at most {MAX_BODY_BYTES} bytes."}, 413)
        except BadInput as error:
            return JSONResponse({"error": str(error)}, 400)
        except (StoreUnavailable, RedisUnavailable) as error:
            _log.error("callback_not_stored", reason=str(error))
            retry = {"Retry-After": _RETRY_AFTER_SECONDS}
            return JSONResponse({"error": "It could not be stored. Send it again."}, 503, headers=retry)
        _log.info("callback_received", request_id=request_id, result=received.value)
        if received is Received.UNKNOWN:
            return JSONResponse({"received": True, "message": "Request not found"})
        return JSONResponse({"received": True, "request_id": request_id})

    async def _accept(self, request_id: str, fields: Mapping[str, Any]) -> Received:
        now_ms = to_ms(self._clock.now())
        received = await self._db.write(
            lambda conn: accept_callback(conn, request_id, fields, now_ms, publish=self._feed.publish)
        )
        if received is Received.UNKNOWN and self._older is not None:
            return await self._answer_older(self._older, request_id, fields)
        return received

    async def _answer_older(
        self, older: OlderRequests, request_id: str, fields: Mapping[str, Any]
    ) -> Received:
        """Answer the chat that asked an older front end, if its state is there.

        Raises:
            RedisUnavailable: nobody can tell; a runner that is told so sends the result again.
        """
        pending = await older.states.find(request_id)
        if pending is None:
            return Received.UNKNOWN
        now_ms = to_ms(self._clock.now())
        stored = await self._db.write(
            lambda conn: answer_older_request(
                conn, older.jobs, request_id, pending, fields, bot_id=older.bot_id, now_ms=now_ms
            )
        )
        await older.states.forget(request_id)
        return Received.STORED if stored else Received.REPEATED

    def _is_known(self, request: Request) -> bool:
        offered = [request.headers.get(name) for name in _HEADERS] + [request.query_params.get("secret")]
        return any(same_secret(value, secret) for value in offered for secret in self._secrets)


def request_id_of(fields: Mapping[str, Any]) -> str:
    """Return which request a callback is about. Pure.

    Raises:
        BadInput: it names none, or one that no request can have.
    """
    request_id = fields.get("requestId") or fields.get("request_id")
    if request_id is None or (isinstance(request_id, str) and not request_id.strip()):
        raise BadInput("request_id is required")
    if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
        raise BadInput("Invalid request_id format")
    return request_id
