"""Who else may call the older runner's routes: one other page, and networks that a setting names."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from runner_callers import calling, runner_service
from wireroom.testing.scripted_agent import ScriptedAgent

pytestmark = pytest.mark.timeout(60)

FRONTEND = "http://board.example:3002"
LOOPBACK = (ip_network("127.0.0.0/8"),)
OLD_ORIGINS = [
    "http://localhost:3002",
    "http://localhost",
    "https://localhost",
    "null",
    "https://evil.example",
]


@pytest.fixture
def agent(tmp_path: Path) -> ScriptedAgent:
    """Return the agent whose prompts are its scripts."""
    folder = tmp_path / "agent"
    folder.mkdir()
    return ScriptedAgent(folder)


async def test_frontend_may_read_answers(database_path: Path, agent: ScriptedAgent) -> None:
    """Answers to its Origin say so, refusals and preflights included; caches are told that it matters."""
    async with (
        runner_service(database_path.parent, agent, frontend_url=f"{FRONTEND}/") as service,
        calling(service, {"Origin": FRONTEND}) as page,
    ):
        for method, path, status in (
            ("GET", "/api/list", 200),
            ("GET", "/api/nobody", 404),
            ("OPTIONS", "/x", 200),
        ):
            answer = await page.call(method, path)
            assert answer.status == status
            assert answer.headers["Access-Control-Allow-Origin"] == FRONTEND
            assert answer.headers["Access-Control-Allow-Credentials"] == "true"
            assert "Origin" in answer.headers["Vary"]
        assert answer.body == "OK"
        assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, DELETE, OPTIONS"


@pytest.mark.parametrize("origin", OLD_ORIGINS)
async def test_other_pages_may_not(database_path: Path, agent: ScriptedAgent, origin: str) -> None:
    """The local origins that the older runner let in are strangers like all others."""
    async with (
        runner_service(database_path.parent, agent, frontend_url=FRONTEND) as service,
        calling(service, {"Origin": origin}) as page,
    ):
        answer = await page.get("/api/list")
        preflight = await page.call("OPTIONS", "/api/list")
    for one in (answer, preflight):
        assert one.status == 200
        assert "Access-Control-Allow-Origin" not in one.headers
        assert "Origin" in one.headers["Vary"]


async def test_no_page_is_let_in_without_the_setting(database_path: Path, agent: ScriptedAgent) -> None:
    """No FRONTEND_URL: OPTIONS is answered, and nobody is allowed."""
    async with runner_service(database_path.parent, agent) as service, calling(service) as page:
        answer = await page.call("OPTIONS", "/cursor/execute", headers={"Origin": "http://localhost"})
    assert (answer.status, answer.body) == (200, "OK")
    assert "Access-Control-Allow-Origin" not in answer.headers


async def test_session_counts_from_the_frontend(database_path: Path, agent: ScriptedAgent) -> None:
    """A person who is logged in may use the other page, its WebSocket included, and no third one."""
    async with runner_service(database_path.parent, agent, frontend_url=FRONTEND) as service:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(service.address, cookie_jar=jar) as session:
            async with session.get(await service.login_link()) as response:
                assert response.status == 200
            for origin, status in ((FRONTEND, 200), ("https://evil.example", 401)):
                async with session.post("/api/new", json={}, headers={"Origin": origin}) as response:
                    assert response.status == status
            async with session.ws_connect("/api/ws?id=x", headers={"Origin": FRONTEND}) as opened:
                assert (await opened.receive_json())["type"] == "error"


async def test_open_route_needs_no_secret(database_path: Path, agent: ScriptedAgent) -> None:
    """A program of the named network may call what is named, and nothing else; a browser may not."""
    settings: dict[str, Any] = {"open_routes": ("/cursor/execute", "/api/ws"), "open_networks": LOOPBACK}
    async with (
        runner_service(database_path.parent, agent, **settings) as service,
        calling(service, secret=None) as program,
    ):
        assert (await program.post("/cursor/execute", {"prompt": "say x"})).body["output"] == "x"
        assert (await program.post("/cursor/execute/async", {"prompt": "say x"})).status == 200
        assert (await program.post("/cursor/iterate", {"prompt": "say x"})).status == 401
        assert (await program.get("/api/list")).status == 401
        for browser in (
            {"Origin": "http://a"},
            {"User-Agent": "Mozilla/5.0"},
            {"Sec-Fetch-Site": "same-origin"},
        ):
            answer = await program.post("/cursor/execute", {"prompt": "say x"}, headers=browser)
            assert answer.status == 401
        async with program.session.ws_connect("/api/ws?id=x") as opened:
            assert (await opened.receive_json())["type"] == "error"


async def test_open_route_is_closed_to_other_networks(database_path: Path, agent: ScriptedAgent) -> None:
    """The connection's own address counts; what a header says does not."""
    settings: dict[str, Any] = {"open_routes": ("/cursor",), "open_networks": (ip_network("10.0.0.0/8"),)}
    async with (
        runner_service(database_path.parent, agent, **settings) as service,
        calling(service, {"X-Forwarded-For": "10.0.0.1"}, secret=None) as program,
    ):
        assert (await program.post("/cursor/execute", {"prompt": "say x"})).status == 401
