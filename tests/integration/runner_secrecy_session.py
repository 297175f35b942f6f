"""The runner's day in a process of its own: every secret it is given, and everything that it shows of it.

Run by `test_secrecy`, with `SECRETS` in its environment. It prints a JSON object: all that was answered
(`answers`), what agents were started with (`environment`, `arguments`), and which cells of the database hold
a secret (`cells`: {"secret": ["table.column", ...]}).
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import aiohttp
from aiohttp import web
from sqlalchemy import Connection

from callback_receiver import Receiver, running_receiver
from wireroom.app.service import Service
from wireroom.cli.logs import set_up_logs
from wireroom.settings import load_settings
from wireroom.testing import BotAPIServer
from wireroom.testing.eventually import eventually
from wireroom.testing.ports import free_port

SECRETS = {
    "TELEGRAM_BOT_TOKEN": "123456:AAE-bot-token",
    "WEBHOOK_SECRET": "s3cret-of-the-api",
    "TELEGRAM_WEBHOOK_SECRET": "s3cret-of-the-webhook",
    "WIREROOM_CURSOR_RUNNER_SECRET": "s3cret-of-the-remote-runner",
    "GITHUB_TOKEN": "ghp_s3cretOfTheGitHost",
    "MCP_VARIABLE": "s3cret-in-a-variable",
    "MCP_ARGUMENT": "s3cret-in-an-argument",
    "MCP_HEADER": "s3cret-in-a-header",
}
"""What the environment of the session holds."""
OTHERS = {
    "callback": "s3cret-of-a-callback",
    "waiting callback": "s3cret-of-a-waiting-callback",
    "barred callback": "s3cret-of-a-barred-callback",
    "clone": "s3cret-in-a-clone-address",
}
"""What callers send."""
OURS = SECRETS["WEBHOOK_SECRET"]
PROGRAMS = ("claude", "cursor", "codex", "gemini", "opencode", "acp")
_PATHS = ("/cursor/execute/async", "/cursor-runner/callback", "/git/clone", "/nowhere", "/api/runs")
_AGENT = """#!/bin/sh
env >> {folder}/environment
printf '%s\\n' "$0" "$@" >> {folder}/arguments
echo broken >&2
exit 7
"""
_BAD_SERVER = "import os, sys; sys.exit('no: ' + os.environ['KEY'] + ' ' + sys.argv[1])"
_GOOD_SERVER = """
import json, sys
request = json.loads(sys.stdin.readline())
result = {"protocolVersion": request["params"]["protocolVersion"], "capabilities": {}}
print(json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}), flush=True)
"""


class Day:
    """A caller who keeps every answer."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.answers: list[str] = []
        self._session = session

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Call, keep what comes back with its headers, and return it."""
        async with self._session.request(method, path, json=body, headers=headers) as response:
            text = await response.text()
            self.answers.append(f"{response.status} {dict(response.headers)} {text}")
            with suppress(ValueError):
                return json.loads(text)
            return text

    async def post(self, path: str, body: object, secret: str = OURS) -> Any:
        """POST with the secret, and keep what comes back."""
        return await self.call("POST", path, body, **{"X-Webhook-Secret": secret})


def install(folder: Path) -> dict[str, str]:
    """Install agents and MCP servers, and return the settings that name them."""
    agent, bad, good = folder / "agent", folder / "bad.py", folder / "good.py"
    agent.write_text(_AGENT.format(folder=shlex.quote(str(folder))))
    agent.chmod(0o755)
    bad.write_text(_BAD_SERVER)
    good.write_text(_GOOD_SERVER)
    kept = {"env": {"KEY": "${MCP_VARIABLE}"}, "command": sys.executable}
    servers = {
        "good": {**kept, "args": ["-I", "-S", str(good), "--key=${MCP_ARGUMENT}"]},
        "bad": {**kept, "args": ["-I", "-S", str(bad), "${MCP_ARGUMENT}"]},
        "far": {"url": "http://127.0.0.1:9/", "headers": {"Authorization": "Bearer ${MCP_HEADER}"}},
    }
    (folder / "mcp.json").write_text(json.dumps({"mcpServers": servers}))
    return {
        "WIREROOM_MCP_CONFIG": str(folder / "mcp.json"),
        "WIREROOM_ACP_COMMAND": str(agent),
        "CURSOR_CLI_PATH": str(agent),
        **{f"WIREROOM_{name.upper()}_CLI_PATH": str(agent) for name in PROGRAMS},
    }


async def day(folder: Path) -> dict[str, Any]:
    """Run the service through its day."""
    async with BotAPIServer(SECRETS["TELEGRAM_BOT_TOKEN"]) as telegram, running_receiver() as receiver:
        remote = await _remote_runner()
        update = {
            "port": 0,
            "data_dir": folder,
            "telegram_api_url": telegram.url,
            "cursor_runner_url": f"http://127.0.0.1:{remote.addresses[0][1]}",
            "drain_seconds": 0,
        }
        try:
            async with (
                Service(load_settings().model_copy(update=update)) as service,
                aiohttp.ClientSession(service.address) as session,
            ):
                caller = Day(session)
                await _runs(caller)
                await _callbacks(caller, receiver)
                await _clones(caller)
                await _refusals(caller)
                await eventually(lambda: _count(receiver, 3), "callbacks are delivered", 30)
                await _look_around(caller)
                cells = await service.services.db.read(_cells)
        finally:
            await remote.cleanup()
    return {
        "answers": "\n".join(caller.answers),
        "environment": (folder / "environment").read_text(),
        "arguments": (folder / "arguments").read_text(),
        "cells": cells,
    }


async def _remote_runner() -> web.AppRunner:
    """Play a runner elsewhere that wants another secret than it is sent."""

    async def refuse(_request: web.Request) -> web.Response:
        return web.json_response({"success": False, "error": "Unauthorized"}, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner


async def _runs(caller: Day) -> None:
    """Run every coding agent, with tools whose secrets stand everywhere that they may, and one elsewhere."""
    for backend in PROGRAMS:
        await caller.post(
            "/cursor/execute",
            {"prompt": "x", "backend": backend, "id": backend, "mcpServers": ["good", "bad", "far"]},
        )
    await caller.post("/cursor/execute", {"prompt": "x", "backend": "remote"})
    await caller.post("/cursor/iterate", {"prompt": "x", "backend": "claude", "maxIterations": 1})


async def _callbacks(caller: Day, receiver: Receiver) -> None:
    """Have ends reported: at the second try, never, and where it is not allowed."""
    receiver.answers.append(web.Response(status=500))
    down = f"http://127.0.0.1:{free_port()}"
    for url in (
        f"{receiver.url}?secret={OTHERS['callback']}",
        receiver.url,
        f"{down}/cb?secret={OTHERS['waiting callback']}",
        f"http://169.254.169.254/cb?secret={OTHERS['barred callback']}",
        f"ftp://127.0.0.1/cb?secret={OTHERS['barred callback']}",
        f"http://user:{OTHERS['barred callback']}@127.0.0.1/cb",
    ):
        wanted = {"prompt": "x", "backend": "claude", "callbackUrl": url}
        await caller.call("POST", f"/cursor/execute/async?secret={OURS}", wanted)


async def _clones(caller: Day) -> None:
    """Clone with a token in the address, which fails in every way."""
    token = OTHERS["clone"]
    for url in (
        f"https://user:{token}@127.0.0.1:9/o/app.git",
        f"https://{token}@127.0.0.1:9/o/app.git",
        f"http://user:{token}@127.0.0.1:9/o/app.git",
        f"https://user:{token}@127.0.0.1:9",
        f"https://127.0.0.1:9/o/app.git?token={token}",
    ):
        await caller.post("/git/clone", {"repositoryUrl": url})


async def _refusals(caller: Day) -> None:
    """Come with wrong secrets, in all places where one may stand, and with right ones in wrong places."""
    for secret in (OURS, SECRETS["TELEGRAM_WEBHOOK_SECRET"], SECRETS["WIREROOM_CURSOR_RUNNER_SECRET"]):
        for path in _PATHS:
            await caller.call("POST", f"{path}?secret={secret}", {"prompt": 5})
            await caller.post(path, {"requestId": "r"}, secret)
        await caller.call("GET", f"/api/ws?secret={secret}")


def _count(receiver: Receiver, count: int) -> bool:
    return len(receiver.received) >= count


async def _look_around(caller: Day) -> None:
    """Read everything that is told of runs and callbacks."""
    for path in ("/api/runs", "/api/callbacks", "/health/queue", "/ready", "/metrics", "/openapi.json"):
        await caller.call("GET", path, **{"X-Webhook-Secret": OURS})
    for run in (await caller.call("GET", "/api/runs", **{"X-Webhook-Secret": OURS}))["runs"]:
        for path in ("", "/events"):
            await caller.call("GET", f"/api/runs/{run['id']}{path}", **{"X-Webhook-Secret": OURS})


def _cells(conn: Connection) -> Mapping[str, list[str]]:
    """Return which cells of the whole database hold which secret."""
    found: dict[str, set[str]] = {}
    tables = conn.exec_driver_sql("SELECT name FROM sqlite_schema WHERE type = 'table'").scalars().all()
    for table in tables:
        for row in conn.exec_driver_sql(f'SELECT * FROM "{table}"').mappings():
            for column, value in row.items():
                for name, secret in secrets().items():
                    if secret in str(value):
                        found.setdefault(name, set()).add(f"{table}.{column}")
    return {name: sorted(cells) for name, cells in found.items()}


def secrets() -> dict[str, str]:
    """Return what must not be shown, by name."""
    return {name: value.rpartition(":")[2] for name, value in {**SECRETS, **OTHERS}.items()}


if __name__ == "__main__":
    set_up_logs(sys.argv[1], coloured=sys.argv[2] == "terminal")
    sys.stdout.write(json.dumps(asyncio.run(day(Path(sys.argv[3])))))
