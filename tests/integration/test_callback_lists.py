"""Dead callbacks are listed, retried and discarded, by the API and by the command line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Connection, text, update

from forked_commands import run
from wireroom.api import callbacks as routes
from wireroom.api import errors
from wireroom.api.services import Services
from wireroom.app.commands import services_for_commands
from wireroom.app.web_server import WebServer, bind
from wireroom.callbacks.outbox import fill_callback, open_callback
from wireroom.settings import Settings
from wireroom.store.schema import callbacks
from wireroom.testing.clock import ManualClock

pytestmark = pytest.mark.timeout(60)
SECRET = "secret-of-the-installation"
_CONVERSATION = """
    INSERT INTO conversations (id, channel, lane, is_current, workdir, created_at, active_at)
    VALUES ('c', 'api', 'lane', 1, '/', 1, 1)
"""
_RUN = """
    INSERT INTO runs
        (id, request_id, conversation_id, lane, source, prompt, backend, workdir, state, queued_at)
    VALUES (:id, :id, 'c', 'lane', 'api', 'x', 'demo', '/', 'succeeded', 1)
"""


@pytest.fixture
async def services(database_path: Path) -> AsyncIterator[Services]:
    """Lend the parts over a database with a dead, a pending and a waiting callback."""
    settings = Settings(data_dir=database_path.parent, webhook_secret=SecretStr(SECRET), backend="demo")
    async with services_for_commands(settings, ManualClock()) as made:

        def unit(conn: Connection) -> None:
            conn.execute(text(_CONVERSATION))
            for run_id in ("dead", "pending", "waiting"):
                conn.execute(text(_RUN), {"id": run_id})
                open_callback(conn, run_id, f"http://app:3000/{run_id}?token=hidden&secret=hidden", 1)
            for run_id in ("dead", "pending"):
                fill_callback(conn, made.jobs, run_id, {"success": True}, 2)
            gone = callbacks.c.run_id == "dead"
            values = {"state": "dead", "error": "HTTP 410", "status_code": 410, "attempts": 1}
            conn.execute(update(callbacks).where(gone).values(**values))

        await made.db.write(unit)
        yield made


@pytest.fixture
async def program(services: Services) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client of the routes that sends the secret."""
    app = FastAPI()
    errors.install(app)
    app.include_router(routes.router(services))
    listener = bind("127.0.0.1", 0)
    server = WebServer(app, listener)
    serving = asyncio.create_task(server.run())
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with aiohttp.ClientSession(address, headers={"X-Webhook-Secret": SECRET}) as client:
        yield client
    server.stop()
    await serving


async def call(client: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    """Return status and body."""
    async with client.request(method, path, **options) as response:
        return response.status, await response.json()


async def test_dead_callbacks_are_listed(program: aiohttp.ClientSession) -> None:
    """Each says where it went and why it died; nothing secret of its address is shown."""
    status, body = await call(program, "GET", "/api/callbacks?state=dead")
    assert status == 200
    [dead] = body["callbacks"]
    assert (dead["run_id"], dead["address"], dead["state"]) == ("dead", "http://app:3000/dead", "dead")
    assert (dead["error"], dead["status_code"], dead["attempts"]) == ("HTTP 410", 410, 1)
    _, everything = await call(program, "GET", "/api/callbacks")
    assert [one["state"] for one in everything["callbacks"]] == ["waiting", "pending", "dead"]
    assert everything["pagination"]["total"] == 3
    assert "hidden" not in str(everything)


@pytest.mark.parametrize(("action", "state"), [("retry", "pending"), ("discard", "discarded")])
async def test_dead_callback_is_acted_upon_once(
    program: aiohttp.ClientSession, services: Services, action: str, state: str
) -> None:
    """The action is done and audited; a second time it is a conflict, as for one that is not dead."""
    assert await call(program, "POST", f"/api/callbacks/1/{action}") == (200, {"id": 1, "state": state})
    for callback_id, status in ((1, 409), (2, 409), (99, 404)):
        assert (await call(program, "POST", f"/api/callbacks/{callback_id}/{action}"))[0] == status
    query = text("SELECT who, action, subject FROM audit")
    audit = await services.db.read(lambda conn: [tuple(row) for row in conn.execute(query)])
    assert audit == [("program", f"callback.{action}", "1")]
    waits = await services.db.read(lambda conn: services.jobs.is_pending(conn, kind="callback", ref="1"))
    assert waits


async def test_callbacks_are_nobody_elses(program: aiohttp.ClientSession) -> None:
    """Without the secret nothing is shown."""
    for method, path in (("GET", "/api/callbacks"), ("POST", "/api/callbacks/1/retry")):
        assert (await call(program, method, path, headers={"X-Webhook-Secret": "wrong"}))[0] == 401


async def test_command_line_lists_retries_and_discards(services: Services, database_path: Path) -> None:
    """The commands do what the routes do, and say so."""

    async def said(*arguments: str) -> tuple[int, str]:
        environment = {
            "PATH": os.defpath,
            "WIREROOM_DATA_DIR": str(database_path.parent),
            "WIREROOM_BACKEND": "demo",
        }
        printed = await run(["callbacks", *arguments], environment)
        return printed.code, printed.out + printed.err

    code, listed = await said("list", "--state", "dead")
    assert code == 0
    assert "http://app:3000/dead" in listed
    assert "HTTP 410" in listed
    assert "hidden" not in listed
    assert await said("retry", "2") == (
        1,
        "wireroom: Callback 2 is not dead; see `wireroom callbacks list`.\n",
    )
    assert await said("retry") == (1, "wireroom: Name one callback, or say --all.\n")
    assert await said("retry", "--all") == (0, "Dead callbacks that will be sent again: 1.\n")
    assert await said("list", "--state", "dead") == (0, "No callback is dead.\n")
    await services.db.write(lambda conn: conn.execute(update(callbacks).values(state="dead")) and None)
    assert await said("retry", "1") == (0, "It will be sent again.\n")
    assert await said("discard", "2") == (0, "Discarded.\n")
    assert (await said("discard", "2"))[0] == 1
