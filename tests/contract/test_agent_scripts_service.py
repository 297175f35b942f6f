"""The eleven scripts against Wireroom itself, in the order in which agents have used them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from running_service import API_SECRET, running_service
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(120)
_FOLDER = Path(__file__).parents[2] / "tools" / "cursor-agents"


@dataclass(frozen=True, slots=True)
class Printed:
    """What a script printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, decoded."""
        return json.loads(self.out)


class Scripts:
    """The scripts, for one service."""

    def __init__(self, url: str, secret: str = API_SECRET) -> None:
        """Call this service."""
        self._environment = {"PATH": os.defpath, "CURSOR_AGENTS_URL": url, "WEBHOOK_SECRET": secret}

    async def run(self, script: str, *arguments: str) -> Printed:
        """Run a script to its end."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-S",
            str(_FOLDER / f"{script}.py"),
            *arguments,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            out, err = await process.communicate()
        assert process.returncode is not None
        return Printed(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def service(database_path: Path) -> AsyncIterator[Service]:
    """Run a service."""
    async with running_service(database_path.parent) as running:
        yield running


@pytest.fixture
async def target() -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Lend an address that notes what it is sent."""
    bodies: list[dict[str, Any]] = []

    async def note(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_post("/hook", note)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    yield f"http://{host}:{port}/hook", bodies
    await runner.cleanup()


async def test_one_time_agent_of_a_script_calls_its_target(
    service: Service, target: tuple[str, list[dict[str, Any]]]
) -> None:
    """`create_agent.py --one-time` has the target called once with the body."""
    scripts, (url, bodies) = Scripts(service.address), target
    made = await scripts.run("create_agent", "-n", "once", "-u", url, "-o", "-b", '{"n": 1}')

    assert (made.code, made.err) == (0, "")
    assert made.json["message"] == 'Agent "once" created successfully'
    assert made.json["agent"]["oneTime"] is True
    await eventually(lambda: bodies == [{"n": 1}], "the target was called once", 20)


async def test_scheduled_agent_lives_and_dies_by_scripts(service: Service) -> None:
    """Create, list, show, delete, and its queue after it; a name with spaces is a name like any other."""
    scripts = Scripts(service.address)
    name = "every morning"
    made = await scripts.run(
        "create_agent", "-n", name, "-u", "http://127.0.0.1:9/", "-s", "0 8 * * *", "-q", "slow"
    )
    listed = await scripts.run("list_agents")
    shown = await scripts.run("get_agent_status", "-n", name)
    queues = await scripts.run("list_queues")
    queue = await scripts.run("get_queue_info", "-q", "slow")
    busy = await scripts.run("delete_queue", "-q", "slow")
    deleted = await scripts.run("delete_agent", "-n", name)
    gone = await scripts.run("get_agent_status", "-n", name)
    kept = await scripts.run("delete_queue", "-q", "default")

    assert (made.code, made.json["agent"]["schedule"]) == (0, "0 8 * * *")
    assert [agent["name"] for agent in listed.json["agents"]] == [name]
    assert (shown.json["isActive"], shown.json["queue"]) == (True, "slow")
    assert {"default", "slow"} <= {one["name"] for one in queues.json["queues"]}
    assert queue.json["agents"] == [name]
    assert (busy.code, json.loads(busy.err)["status"]) == (1, 409)
    assert deleted.json == {"success": True, "message": f'Agent "{name}" deleted successfully'}
    assert json.loads(gone.err) == {"error": f'Agent "{name}" not found', "status": 404}
    assert (kept.code, json.loads(kept.err)["status"]) == (1, 409)


async def test_operator_is_switched_by_scripts(service: Service) -> None:
    """On, the lock, its clearing, and off; the setting follows."""
    scripts, switches = Scripts(service.address), service.services.system_settings
    on = await scripts.run("enable_task_operator")
    assert await switches.is_on("task_operator")
    lock = await scripts.run("check_task_operator_lock")
    cleared = await scripts.run("clear_task_operator_lock")
    off = await scripts.run("disable_task_operator")

    assert on.json["agent"]["name"] == "task-operator"
    assert lock.json == {
        "success": True,
        "isLocked": False,
        "message": "Task operator Redis lock is not held",
    }
    assert (cleared.code, cleared.json["lockCleared"]) == (0, False)
    assert off.json["success"] is True
    assert not await switches.is_on("task_operator")


async def test_scripts_without_the_secret_are_refused(service: Service) -> None:
    """Both groups say why, each in its own form, and end with 1."""
    scripts = Scripts(service.address, "")
    agents = await scripts.run("list_agents")
    operator = await scripts.run("enable_task_operator")

    assert (agents.code, json.loads(agents.err)["status"]) == (1, 401)
    assert operator.code == 1
    assert operator.err.startswith("Error: ")
