"""`GET /api/live`: tells the page's screens that something they show may have changed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.requests import Request
from starlette.responses import Response

from wireroom.api.auth import identify
from wireroom.api.guard import caller_guard
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.live_stamps import TOPICS, Stamps, changed, from_cursor, read_stamps, to_cursor
from wireroom.api.services import Services
from wireroom.api.sse import DESCRIBED, Batch, EventStream, follow, message
from wireroom.errors import BadInput

LOOK_SECONDS = 0.3
"""Between two looks, if anything was written at all."""
TOPIC = "page"


def router(services: Services) -> APIRouter:
    """Return the route."""
    made = APIRouter(
        prefix="/api/live",
        tags=["page"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )

    async def live(
        request: Request,
        topics: Annotated[str, Query(description=f"Comma separated, of {', '.join(sorted(TOPICS))}.")],
        after: Annotated[str | None, Query(description="The id of the last message.")] = None,
        last_event_id: Annotated[str | None, Header(description="Wins over `after`.")] = None,
    ) -> EventStream:
        """Follow topics: messages named `changed` with `{"topics": […]}`, at first what is new to the reader.

        A message says that a list may have changed, not how; the lists say that.
        """
        wanted = frozenset(topics.split(","))
        if unknown := wanted - TOPICS:
            raise BadInput(f"There is no topic {', '.join(sorted(unknown))}.")
        position = last_event_id or after
        known = from_cursor(position) if position else {}
        reader = _Reader(services, wanted, known)
        return EventStream(_follow(services, request, reader))

    made.add_api_route("", live, response_class=Response, responses=DESCRIBED)
    return made


async def _follow(services: Services, request: Request, reader: _Reader) -> AsyncGenerator[str, None]:
    async def is_welcome() -> bool:
        return await identify(request, services) is not None

    with services.feed.listen(TOPIC) as news:
        async for text in follow(news, reader.look, is_welcome, services.clock, every=LOOK_SECONDS):
            yield text


class _Reader:
    """One connection's knowledge of its topics."""

    def __init__(self, services: Services, topics: frozenset[str], known: Stamps) -> None:
        self._services = services
        self._topics = topics
        self._known = known
        self._seen: int | None = None

    async def look(self) -> Batch:
        state = self._services.changes()
        if state is not None and state == self._seen:
            return Batch([])
        now = await self._services.db.read(lambda conn: read_stamps(conn, self._topics))
        new = changed(self._known, now)
        self._seen, self._known = state, now
        if not new:
            return Batch([])
        return Batch([message(json.dumps({"topics": new}), event_id=to_cursor(now), event="changed")])
