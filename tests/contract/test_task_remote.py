"""Tasks that another runner does: the older operator's sequence of calls, and its callback."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from running_service import API_SECRET, client_of, running_service
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(60)


@dataclass
class _Runner:
    """Plays cursor-runner: accepts, and never calls back by itself."""

    url: str = ""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def post(self, request: web.Request) -> web.Response:
        """Take a call."""
        self.calls.append((request.path, await request.json()))
        if request.path == "/cursor/conversation/new":
            return web.json_response({"success": True, "conversationId": "conv-1"})
        return web.json_response({"success": True, "message": "Request accepted", "requestId": "x"})


@pytest.fixture
async def runner() -> AsyncIterator[_Runner]:
    """Play the runner on loopback."""
    played = _Runner()
    app = web.Application()
    app.router.add_post("/{path:.*}", played.post)
    served = web.AppRunner(app)
    await served.setup()
    await web.TCPSite(served, "127.0.0.1", 0).start()
    played.url = f"http://127.0.0.1:{served.addresses[0][1]}"
    yield played
    await served.cleanup()


async def test_callback_of_a_remote_runner_completes_its_task_once(
    runner: _Runner, database_path: Path
) -> None:
    """Conversation, then execution; the callback is found by the task's request id, also when repeated."""
    async with (
        running_service(database_path.parent, cursor_runner_url=runner.url, task_backend="remote") as service,
        client_of(service) as http,
    ):
        headers = {"X-Webhook-Secret": API_SECRET}
        await http.post("/api/tasks", json={"prompt": "tidy up", "repository": "shop"}, headers=headers)
        await http.post("/task-operator", json={}, headers=headers)
        await eventually(lambda: len(runner.calls) == 2, "the runner has both calls", 20)
        assert [path for path, _ in runner.calls] == ["/cursor/conversation/new", "/cursor/execute/async"]
        sent = runner.calls[1][1]
        assert (sent["repository"], sent["conversationId"]) == ("shop", "conv-1")
        assert sent["prompt"].endswith("tidy up")
        reply = {"requestId": "task-1-1", "success": "true", "output": "all tidy"}
        for _ in range(2):
            async with http.post(f"/task-operator/callback?secret={API_SECRET}", json=reply) as answer:
                assert (answer.status, await answer.json()) == (
                    200,
                    {"received": True, "requestId": "task-1-1"},
                )

        async def attempt() -> dict[str, Any]:
            async with http.get("/api/tasks/1/attempts", headers=headers) as answer:
                [found] = (await answer.json())["attempts"]
                return dict(found)

        async def has_ended() -> bool:
            return bool((await attempt())["finished_at"])

        await eventually(has_ended, "the attempt has ended", 20)
        assert (await attempt())["result"] == "all tidy"
        async with http.get("/api/tasks/1", headers=headers) as answer:
            assert (await answer.json())["status_label"] == "complete"
        assert len(runner.calls) == 2
