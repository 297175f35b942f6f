"""Lists of `/agents`: the agents themselves, and the calls of one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import Query
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.agents.agent import get_agent
from wireroom.agents.queries import NEWEST, count_agents, list_agents, list_calls
from wireroom.api.access_rules import PageRole
from wireroom.api.agent_bodies import agent_status, call_body
from wireroom.api.guard import caller_of
from wireroom.api.legacy import json_response
from wireroom.api.paging import AnyPage, AnyPerPage, Cursor, next_link, older_piece, read_cursor
from wireroom.api.services import Services
from wireroom.api.streaming import wants_lines, whole_list

Limit = Annotated[int, Query(ge=1, le=1000, description="Items at most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000, description="Items to pass over.")]
Before = Annotated[int, Query(ge=1, le=NEWEST, description="Calls with lower numbers only.")]


class AgentLists:
    """The routes that list."""

    def __init__(self, services: Services) -> None:
        """Keep the service's parts."""
        self._services = services

    async def list_all(
        self,
        request: Request,
        *,
        limit: Limit = 1000,
        offset: Offset = 0,
        page: AnyPage = None,
        per_page: AnyPerPage = None,
        cursor: Cursor = None,
    ) -> Response:
        """List agents by name, whatever their state; `Link` tells where the list goes on.

        Asked for as lines of JSON, it lists all of them.
        """
        sees_all = caller_of(request).role is PageRole.OWNER
        if wants_lines(request):
            return whole_list(
                self._services.db,
                lambda conn, after, size: list_agents(conn, limit=size, after=after),
                lambda view: view.agent.name,
                lambda view: msgspec.json.encode(agent_status(view, shows_secrets=sees_all)),
            )
        piece = older_piece(limit, offset, page, per_page, read_cursor(cursor, str))
        after = None if piece.after is None else piece.after[0]
        read, total = await self._services.db.read(
            lambda conn: (
                list_agents(conn, limit=piece.limit, offset=piece.offset, after=after),
                count_agents(conn),
            )
        )
        found = piece.cut(read)
        more = next_link(request, found.cursor("name"))
        body = {
            "agents": [agent_status(view, shows_secrets=sees_all) for view in found.items],
            "total": total,
        }
        return json_response(body, headers=more)

    async def calls(self, name: str, limit: Limit = 50, before: Before = NEWEST) -> Response:
        """List an agent's calls and skipped slots, newest first; `next` is the `before` of the next page."""

        def unit(conn: Connection) -> list[dict[str, Any]]:
            agent = get_agent(conn, name)
            return [call_body(call) for call in list_calls(conn, agent.id, limit=limit, before=before)]

        found = await self._services.db.read(unit)
        more = {"next": found[-1]["id"]} if len(found) == limit else {}
        return json_response({"calls": found, **more})
