"""What stands around the people of a measurement: probes of a service, watched chats, received callbacks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from wireroom.load.capabilities import Access, Probed, probe, tasks_on_board
from wireroom.load.questions import voice_token
from wireroom.load.telegram_side import CallbackReceiver, WatchedTelegram
from wireroom.testing.eventually import eventually

MARK = "K7"


class _OlderService:
    """Answers what an older service of the contract does; everything else is 404, as there."""

    def __init__(self, answers: Mapping[tuple[str, str], Any]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        asked = (request.method, request.path)
        self.asked.append(asked)
        found = self._answers.get(asked)
        if found is None:
            return web.json_response({"success": False, "error": "Route not found"}, status=404)
        if isinstance(found, int):
            return web.Response(status=found, text="Unauthorized")
        return web.json_response(found)


@asynccontextmanager
async def _served(service: _OlderService) -> AsyncIterator[Access]:
    runner = web.ServerRunner(web.Server(service.answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield Access(f"http://127.0.0.1:{runner.addresses[0][1]}", "hook", "key")
    finally:
        await runner.cleanup()


async def _probed(service: _OlderService) -> Probed:
    async with _served(service) as access, aiohttp.ClientSession() as session:
        return await probe(session, access, mark=MARK, update_id=1)


async def test_probe_of_an_older_chat_front_end() -> None:
    """The older chat front end gets chat people and callback senders; the others are left out by name."""
    service = _OlderService(
        {
            ("GET", "/health"): {"status": "healthy", "service": "Virtual Assistant API", "version": "1.0.0"},
            ("POST", "/telegram/webhook"): "OK",
            ("POST", "/cursor-runner/callback"): {"received": True, "message": "Request not found"},
            ("POST", "/agent-tools"): 501,
        }
    )

    found = await _probed(service)

    assert (found.can.webhook, found.can.callbacks, found.can.health) == (True, True, True)
    assert not (found.can.tasks)
    assert not (found.can.programs)
    assert not (found.can.agent_tools)
    assert not (found.can.lists)
    assert "voice agents: /agent-tools is not there (501)" in found.left_out
    assert "task filers: /api/tasks is not there (404)" in found.left_out


async def test_probe_of_an_older_runner() -> None:
    """The older runner gets programs, task filers and watchers; nothing is asked that only Wireroom has."""
    service = _OlderService(
        {
            ("GET", "/health"): {"status": "ok", "service": "cursor-runner"},
            ("GET", "/api/tasks"): [],
            ("GET", "/conversations/api/list"): [],
            ("GET", "/health/queue"): {"status": "ok"},
            ("POST", "/cursor/execute/async"): {"success": True, "requestId": "req-1"},
        }
    )

    found = await _probed(service)

    assert (found.can.tasks, found.can.programs, found.can.webhook) == (True, True, False)
    assert found.can.lists == (
        "/api/tasks?page=1&limit=50",
        "/conversations/api/list?limit=50",
        "/health/queue",
    )
    assert (found.can.socket, found.can.stream) == ("/conversations/api/ws", "")
    assert ("GET", "/api/runs") not in service.asked


async def test_probe_of_a_locked_service_says_what_is_missing() -> None:
    """A service that does not know our secret is not loaded, and the reason names the variables."""
    found = await _probed(_OlderService({("POST", "/telegram/webhook"): 401}))

    assert not found.can.anybody
    assert any("TELEGRAM_WEBHOOK_SECRET" in line for line in found.left_out)


async def test_probe_of_nothing_ends() -> None:
    """An address where nobody listens is left out, route by route."""
    async with aiohttp.ClientSession() as session:
        found = await probe(session, Access("http://127.0.0.1:9", "", ""), mark=MARK, update_id=1)

    assert not found.can.anybody
    assert any("does not answer" in line for line in found.left_out)


async def test_tasks_on_board_counts_each_number() -> None:
    """Tasks are known by their numbers; a board that cannot be listed is not an empty one."""
    board = _OlderService({("GET", "/api/tasks"): [{"id": 1}, {"id": 2}]})

    async with aiohttp.ClientSession() as session:
        async with _served(board) as access:
            assert await tasks_on_board(session, access) == {"1": 1, "2": 1}
        async with _served(_OlderService({})) as access:
            assert await tasks_on_board(session, access) is None


async def test_watched_telegram_counts_what_stands() -> None:
    """An answer that was placed and then edited counts once, one that was sent twice counts twice."""
    async with WatchedTelegram(MARK) as telegram, aiohttp.ClientSession() as session:
        telegram.make_chats(1001, 2)

        async def call(method: str, **params: Any) -> Any:
            url = f"{telegram.server.url}/bot{telegram.server.token}/{method}"
            async with session.post(url, json=params) as answer:
                return (await answer.json())["result"]

        placed = await call("sendMessage", chat_id=1001, text="…")
        await call("editMessageText", chat_id=1001, message_id=placed["message_id"], text=f"Mended: {MARK}x1")
        for _ in range(2):
            await call("sendMessage", chat_id=1002, text=f"Mended: {MARK}x2")
        reply = {"message_id": 1_000_000_003, "allow_sending_without_reply": True}
        await call("sendMessage", chat_id=1002, text="I can read text only.", reply_parameters=reply)

        token = voice_token(1002, 1_000_000_003)
        assert telegram.effects() == {f"{MARK}x1": 1, f"{MARK}x2": 2, token: 1}
        assert set(telegram.answered_at) == {f"{MARK}x1", f"{MARK}x2", token}


async def test_recorded_voice_leaves_no_update_behind() -> None:
    """A voice message to send again has a file that can be fetched, and waits for nobody."""
    async with WatchedTelegram(MARK) as telegram:
        telegram.make_chats(1001, 1)

        voice = await telegram.recorded_voice()

        assert voice["file_id"]
        assert telegram.server.pending_updates == 0


async def test_callback_receiver_counts_by_token() -> None:
    """Each callback is counted under the token of its address."""
    async with CallbackReceiver() as callbacks, aiohttp.ClientSession() as session:
        for token in ("a", "b", "a"):
            async with session.post(callbacks.url + token, json={"success": True}) as answer:
                assert answer.status == 200

        await eventually(lambda: callbacks.counts.total() == 3, "all are counted")
        assert callbacks.counts == {"a": 2, "b": 1}
