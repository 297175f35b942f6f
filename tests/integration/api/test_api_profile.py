"""`/admin/profile` and `wireroom profile` on a running service."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from ipaddress import ip_network
from pathlib import Path

import aiohttp

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing.eventually import eventually

KINDS = ("cpu", "memory", "sql", "loop", "endpoints", "watches")
REFUSALS = (
    ("cpu?seconds=61", 400),
    ("cpu?seconds=0", 400),
    ("cpu?seconds=x", 422),
    ("sql?format=html", 400),
    ("loop?format=pdf", 422),
    ("disk", 422),
)


async def test_profile_needs_the_secret(stranger: aiohttp.ClientSession) -> None:
    """Whoever is not known gets no profile, and none is taken."""
    for kind in KINDS:
        async with stranger.get(f"/admin/profile/{kind}?seconds=60") as response:
            assert response.status == 401


async def test_profile_is_taken_of_the_running_service(program: aiohttp.ClientSession) -> None:
    """Each kind answers with its report; nothing of it is kept by browsers."""
    for kind, field in (
        ("watches", "blocks"),
        ("loop", "tasks"),
        ("sql", "statements"),
        ("memory", "held_bytes"),
    ):
        async with program.get(f"/admin/profile/{kind}?seconds=0.1") as response:
            report = await response.json()
        assert response.status == 200, report
        assert field in report
        assert response.headers["Cache-Control"] == "no-store"


async def test_profile_comes_as_a_picture(program: aiohttp.ClientSession) -> None:
    """A flame graph is a page that may run its own script alone; speedscope gets its file."""
    async with program.get("/admin/profile/loop?seconds=0.1&format=html") as response:
        page = await response.text()
    assert response.content_type == "text/html"
    assert "script-src 'sha256-" in response.headers["Content-Security-Policy"]
    assert page.startswith("<!doctype html>")
    async with program.get("/admin/profile/loop?seconds=0.1&format=speedscope") as response:
        assert (await response.json())["exporter"] == "wireroom"


async def test_profile_refuses_what_cannot_be_meant(program: aiohttp.ClientSession) -> None:
    """Too long, unknown, or without a picture: the answer says so."""
    for query, status in REFUSALS:
        async with program.get(f"/admin/profile/{query}") as response:
            assert response.status == status, query
            assert (await response.json())["success"] is False


async def test_profile_is_not_for_an_open_network(database_path: Path) -> None:
    """Programs that need no secret elsewhere need it for profiles."""
    settings = Settings(
        data_dir=database_path.parent,
        port=0,
        drain_seconds=0,
        open_routes=("/admin",),
        open_networks=(ip_network("127.0.0.0/8"),),
    )
    async with (
        Service(settings) as service,
        aiohttp.ClientSession(service.address) as client,
        client.get("/admin/profile/watches") as response,
    ):
        assert response.status == 403


async def test_second_profile_at_once_is_a_conflict(service: Service, program: aiohttp.ClientSession) -> None:
    """One profile at a time; the refusal says for how long."""
    profiler = service.services.profiler
    assert profiler is not None
    first = asyncio.create_task(profiler.endpoints(30))
    await eventually(lambda: profiler._busy_with, "the first one has begun")
    async with program.get("/admin/profile/cpu?seconds=1") as response:
        assert response.status == 409
        assert "ask again in" in (await response.json())["error"]
    first.cancel()


async def test_endpoints_are_named_by_their_route(program: aiohttp.ClientSession) -> None:
    """Hot, plain and described routes and those of the page are counted by template, on `/metrics` too."""
    for path in ("/health", "/ready", "/api/runs/no-such-run", "/room/board", "/static/x/none.js"):
        async with program.get(path) as response:
            await response.read()
    async with program.get("/admin/profile/endpoints") as response:
        routes = {one["route"] for one in (await response.json())["endpoints"]}
    async with program.get("/metrics") as response:
        shown = await response.text()

    page = {"GET /room/board", "GET /static/{digest}/{name}"}
    assert {"GET /health", "GET /ready", "GET /api/runs/{run_id}"} | page <= routes
    assert not any("no-such-run" in route for route in routes)
    assert 'wireroom_http_seconds_count{route="GET /health"}' in shown


async def _wireroom(service: Service, *arguments: str) -> tuple[int, str, str]:
    """Run the command line beside the service; return its exit code and what it printed."""
    environment = {"PATH": os.defpath, "WIREROOM_DATA_DIR": str(service.settings.data_dir)}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from wireroom.cli.main import main; main()",
        *arguments,
        env=environment,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def test_command_prints_what_the_service_answers(service: Service, tmp_path: Path) -> None:
    """`wireroom profile` finds the service by its data folder; a refusal is one sentence and exit code 1."""
    picture = tmp_path / "flame.html"
    refused, drawn = await asyncio.gather(
        _wireroom(service, "profile", "memory", "--seconds", "99"),
        _wireroom(service, *f"profile loop --seconds 0.1 --format html --output {picture}".split()),
    )

    assert (refused[0], refused[1]) == (1, "")
    assert "at most 60" in refused[2]
    assert drawn == (0, f"Written: {picture}\n", "")
    assert picture.read_text().startswith("<!doctype html>")
