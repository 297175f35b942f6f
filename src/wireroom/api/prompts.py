"""`/prompts`: prompts that are run at their times. A prompt is an agent whose action is a run.

Source: contract of cursor-agents, section A1.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from wireroom.agents.agent import find_agent
from wireroom.agents.definition import read_recurring_prompt
from wireroom.agents.queries import show_agent
from wireroom.agents.records import Saved
from wireroom.api.agent_bodies import job_id, prompt_status
from wireroom.api.agents import read_body
from wireroom.api.guard import caller_guard, caller_of, note_action
from wireroom.api.lazy_routes import LazyRoute
from wireroom.api.legacy import json_response
from wireroom.api.services import Services
from wireroom.clock import to_ms
from wireroom.errors import NotFound


def router(services: Services) -> APIRouter:
    """Return the routes; each of them knows its caller."""
    routes = _PromptRoutes(services)
    made = APIRouter(
        prefix="/prompts",
        tags=["agents"],
        dependencies=[Depends(caller_guard(services))],
        route_class=LazyRoute,
    )
    made.add_api_route("/recurring", routes.create, methods=["POST"], response_class=Response)
    made.add_api_route("/{name}", routes.show, response_class=Response)
    made.add_api_route("/{name}", routes.delete, methods=["DELETE"], response_class=Response)
    return made


class _PromptRoutes:
    def __init__(self, services: Services) -> None:
        self._services = services
        self._desk = services.desk

    async def create(self, request: Request) -> Response:
        """Run a prompt at its times; a prompt of this name is brought up to date."""
        definition = read_recurring_prompt(await read_body(request), self._services.settings.time_zone)
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> Saved:
            note_action(conn, caller, "agent.save", definition.name, now_ms=now_ms)
            return self._desk.agents.save(conn, definition, now_ms)

        saved = await self._services.db.write(unit)
        return json_response(
            {
                "success": True,
                "jobId": job_id(definition.name, saved),
                "name": definition.name,
            }
        )

    async def show(self, name: str) -> Response:
        """Show whether and when a prompt runs."""
        view = await self._services.db.read(lambda conn: show_agent(conn, name))
        if view is None or view.agent.action != "prompt":
            raise NotFound("Prompt not found")
        return json_response(prompt_status(view))

    async def delete(self, request: Request, name: str) -> Response:
        """Delete a prompt for good; its run, if it works just now, is stopped."""
        caller, now_ms = caller_of(request), to_ms(self._services.clock.now())

        def unit(conn: Connection) -> None:
            agent = find_agent(conn, name)
            if agent is None or agent.action != "prompt":
                raise NotFound("Prompt not found")
            note_action(conn, caller, "agent.delete", name, now_ms=now_ms)
            self._desk.agents.delete(conn, name, now_ms)

        await self._services.db.write(unit)
        return json_response({"success": True, "message": f"Prompt {name} removed"})
