"""What viewers and foreign pages may do by any route: look; and that an ended session hears no more."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from starlette.routing import Route, WebSocketRoute

from api.browsers import ask, audited, browser
from wireroom.api.access_rules import PageRole
from wireroom.api.auth import new_login_link
from wireroom.api.sse import HEARTBEAT_SECONDS
from wireroom.app.http import documented
from wireroom.app.service import Service
from wireroom.clock import SystemClock
from wireroom.settings import Settings
from wireroom.testing.scripted_agent import ScriptedAgent, ScriptedBackend
from wireroom.workspaces.workspace import Workspaces

Client = aiohttp.ClientSession
LOOKING = {"GET", "HEAD", "OPTIONS"}
NOT_A_SESSIONS = frozenset({"/login", "/logout", "/task-operator/callback"})
"""Login, its end, and a door of programs with a secret of its own."""
PROGRAMS = (
    "/telegram/set_webhook",
    "/mcp",
    "/agent-tools",
    "/cursor-runner/cursor/execute",
    "/cursor-runner/callback",
)
"""Doors of programs beside the described routes: no session opens them, an owner's neither."""


class LeapingClock(SystemClock):
    """The machine's clock, with a steady reading that can leap ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        """Return the reading."""
        return super().monotonic() + self.ahead


@pytest.fixture
async def viewer(service: Service) -> AsyncIterator[Client]:
    """Lend a browser that a viewer's link has logged in."""
    async with browser(service) as client:
        link = await new_login_link(service.services, PageRole.VIEWER)
        async with client.get(link) as response:
            assert response.status == 200
        yield client


def routes_of(service: Service) -> Iterator[tuple[str, str]]:
    """Return method and an address of every route that the application has, described or not."""
    services = service.services
    app = documented(services, Workspaces(services.settings, os.environ, services.clock))
    for route in app.router.routes:
        if isinstance(route, Route):
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            yield from ((method, path) for method in sorted(route.methods or ()))
        else:
            assert isinstance(route, WebSocketRoute)


def changing(service: Service) -> list[tuple[str, str]]:
    """Return the routes that may change something."""
    found = [(method, path) for method, path in routes_of(service) if method not in LOOKING]
    assert len(found) > 50
    return [*found, *(("POST", path) for path in PROGRAMS)]


async def statuses(
    client: Client, routes: list[tuple[str, str]], **headers: str
) -> dict[tuple[str, str], int]:
    """Call each route with an empty object and return the statuses."""
    found = {}
    for method, path in routes:
        async with client.request(method, path, json={}, headers=headers, allow_redirects=False) as response:
            found[method, path] = response.status
    return found


async def test_viewer_can_change_nothing_by_any_route(service: Service, viewer: Client) -> None:
    """Every changing route of the application refuses a viewer's session, and leaves no trace."""
    routes = [one for one in changing(service) if one[1] not in NOT_A_SESSIONS]
    found = await statuses(viewer, routes)
    refused = {one for one, status in found.items() if status == 403}
    assert {one for one in found if one not in refused} == {("POST", path) for path in PROGRAMS}
    assert {found["POST", path] for path in PROGRAMS} <= {401, 404}
    assert await audited(service) == [("page", "session.begin")]


async def test_viewer_sees_every_screen_and_is_told_why_not_more(service: Service, viewer: Client) -> None:
    """Screens and lists are there; a profile is not, and a refusal says whom to ask."""
    for path in ("/", "/room/people", "/room/board"):
        async with viewer.get(path) as response:
            assert 'data-role="viewer"' in await response.text()
    for path in ("/api/runs", "/agents", "/api/tasks", "/api/access/audit", "/api/settings"):
        async with viewer.get(path) as response:
            assert response.status == 200
    for method, path in (("GET", "/admin/profile/cpu?seconds=0.1"), ("POST", "/api/chat/new")):
        assert "viewer" in (await ask(viewer, method, path, 403))["error"]


async def test_session_changes_nothing_from_another_sites_page(service: Service, page: Client) -> None:
    """An owner's cookie is worth nothing there, whichever route it is; another port is foreign, too."""
    routes = changing(service)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
    ):
        found = await statuses(page, routes, **headers)
        assert found.pop(("POST", "/logout")) == 303
        assert found.pop(("POST", "/login")) == 403
        assert set(found.values()) <= {401, 404}, {
            one: status for one, status in found.items() if status < 400
        }
        assert (await ask(page, "GET", "/api/access/me"))["role"] == "owner"
    assert await audited(service) == [("page", "session.begin")]


async def test_other_port_of_our_name_may_lead_here_and_ask_nothing(page: Client) -> None:
    """Its scripts and pictures get no answer with our cookie; a link from anywhere opens the page."""
    foreign = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}
    await ask(page, "GET", "/api/runs", 401, headers=foreign)
    led_here = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    await ask(page, "GET", "/api/runs", headers=led_here)


async def test_streams_of_an_ended_session_end_with_the_next_heartbeat(
    database_path: Path, agent: ScriptedAgent
) -> None:
    """Whatever a signed-out browser still listens to falls silent by itself: both kinds of streams."""
    clock, settings = LeapingClock(), Settings(data_dir=database_path.parent, port=0)
    async with (
        Service(settings, clock=clock, backend=ScriptedBackend(agent)) as service,
        browser(service) as page,
    ):
        async with page.get(await service.login_link()) as response:
            assert response.status == 200
        async with (
            page.get("/api/live?topics=people") as screens,
            page.get("/api/chat/stream") as chat,
            page.ws_connect("/api/ws?conversationId=x") as socket,
        ):
            await socket.receive()
            async with asyncio.timeout(30):
                await asyncio.gather(screens.content.readline(), chat.content.readline())
                await ask(page, "POST", "/api/access/sign-out-everywhere")
                clock.ahead = HEARTBEAT_SECONDS
                await asyncio.gather(screens.read(), chat.read())
                while (message := await socket.receive()).type != aiohttp.WSMsgType.CLOSE:
                    pass
            assert (message.data, message.extra) == (1008, "the session has ended")
