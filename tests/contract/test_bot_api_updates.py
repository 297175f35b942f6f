"""How the Bot API server hands over updates: long polling, the webhook, and raw pushes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from wireroom.testing.bot_api import BotAPIServer, Chat, Redelivery
from wireroom.testing.eventually import eventually

Ask = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


class RecordingWebhook:
    """A receiver of updates that answers as told."""

    def __init__(self) -> None:
        self.url = ""
        self.texts: list[str] = []
        self.secrets: set[str | None] = set()
        self.statuses: list[int] = []
        """Answers of the next deliveries; 200 when used up."""
        self.failing: set[str] = set()
        """Texts that are always answered with 503."""
        self.busy = 0
        self.most_busy = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, request: web.Request) -> web.Response:
        """Take one update."""
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        update = await request.json()
        self.secrets.add(request.headers.get("X-Telegram-Bot-Api-Secret-Token"))
        await self.gate.wait()
        self.busy -= 1
        text = update["message"]["text"]
        status = 503 if text in self.failing else self.statuses.pop(0) if self.statuses else 200
        self.texts.append(f"{text}:{status}")
        return web.Response(status=status)


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Give a started server that redelivers soon."""
    async with BotAPIServer(redelivery=Redelivery(interval_seconds=0.005, cap_seconds=0.02)) as server:
        yield server


@pytest.fixture
async def hook() -> AsyncIterator[RecordingWebhook]:
    """Give a listening receiver."""
    receiver = RecordingWebhook()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def ask(telegram: BotAPIServer) -> AsyncIterator[Ask]:
    """Give a function that calls a method with JSON parameters and returns the envelope."""
    async with aiohttp.ClientSession() as http:

        async def call(method: str, **params: Any) -> dict[str, Any]:
            async with http.post(f"{telegram.url}/bot{telegram.token}/{method}", json=params) as response:
                body: dict[str, Any] = await response.json()
                return body

        yield call


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Give a private chat."""
    return telegram.private_chat(telegram.user(7))


def _texts(envelope: dict[str, Any]) -> list[str]:
    return [update["message"]["text"] for update in envelope["result"]]


async def test_an_update_stays_until_its_offset_is_confirmed(
    telegram: BotAPIServer, ask: Ask, ada: Chat
) -> None:
    """Method getUpdates repeats what is not confirmed, in order, up to the limit."""
    ids = [await telegram.user_says(ada, str(n)) for n in range(4)]
    assert _texts(await ask("getUpdates")) == ["0", "1", "2", "3"]
    assert _texts(await ask("getUpdates", limit=2)) == ["0", "1"]
    assert _texts(await ask("getUpdates", offset=ids[1] + 1)) == ["2", "3"]
    assert telegram.pending_updates == 2
    assert _texts(await ask("getUpdates", offset=-1)) == ["3"]
    assert _texts(await ask("getUpdates", offset=ids[3] + 1)) == []


async def test_a_long_poll_ends_with_the_first_update(telegram: BotAPIServer, ask: Ask, ada: Chat) -> None:
    """A waiting getUpdates answers as soon as somebody writes."""
    poll = asyncio.create_task(ask("getUpdates", timeout=30))
    await eventually(lambda: telegram.calls_of("getUpdates"), "the poll arrives")
    await telegram.user_says(ada, "hello")
    assert _texts(await asyncio.wait_for(poll, 5)) == ["hello"]


async def test_a_long_poll_ends_empty_when_its_time_is_up(ask: Ask) -> None:
    """Nothing to say is an empty list, not an error."""
    assert await ask("getUpdates", timeout=1) == {"ok": True, "result": []}


async def test_a_second_poll_ends_the_first_with_a_conflict(
    telegram: BotAPIServer, ask: Ask, ada: Chat
) -> None:
    """As with the real server, the older getUpdates gets the 409 and the newer one goes on."""
    first = asyncio.create_task(ask("getUpdates", timeout=30))
    await eventually(lambda: len(telegram.calls_of("getUpdates")) == 1, "the first poll arrives")
    second = asyncio.create_task(ask("getUpdates", timeout=30))
    answer = await asyncio.wait_for(first, 5)
    assert answer["error_code"] == 409
    assert answer["description"].startswith("Conflict: terminated by other getUpdates request")
    await telegram.user_says(ada, "hello")
    assert _texts(await asyncio.wait_for(second, 5)) == ["hello"]


async def test_polling_and_webhook_exclude_each_other(
    telegram: BotAPIServer, ask: Ask, hook: RecordingWebhook
) -> None:
    """Method setWebhook ends a poll, and getUpdates is refused until deleteWebhook."""
    poll = asyncio.create_task(ask("getUpdates", timeout=30))
    await eventually(lambda: telegram.calls_of("getUpdates"), "the poll arrives")
    assert (await ask("setWebhook", url=hook.url))["description"] == "Webhook was set"
    assert (await asyncio.wait_for(poll, 5))["description"] == "Conflict: terminated by setWebhook request"
    refused = await ask("getUpdates")
    assert refused["error_code"] == 409
    assert "use deleteWebhook to delete the webhook first" in refused["description"]
    assert (await ask("setWebhook", url=hook.url))["description"] == "Webhook is already set"
    assert (await ask("deleteWebhook"))["description"] == "Webhook was deleted"
    assert (await ask("deleteWebhook"))["description"] == "Webhook is already deleted"
    assert (await ask("getUpdates"))["ok"] is True


async def test_only_allowed_updates_are_made(telegram: BotAPIServer, ask: Ask, ada: Chat) -> None:
    """Kinds that the bot did not name are never delivered; naming none means the default again."""
    await ask("getUpdates", allowed_updates=["callback_query"])
    await telegram.user_says(ada, "unseen")
    assert telegram.pending_updates == 0
    await ask("getUpdates")
    await telegram.user_says(ada, "still unseen")
    await ask("getUpdates", allowed_updates=[])
    await telegram.user_says(ada, "seen")
    assert _texts(await ask("getUpdates")) == ["seen"]


async def test_the_webhook_gets_waiting_and_new_updates_with_the_secret(
    telegram: BotAPIServer, ask: Ask, ada: Chat, hook: RecordingWebhook
) -> None:
    """What waited before setWebhook is delivered first."""
    await telegram.user_says(ada, "before")
    await ask("setWebhook", url=hook.url, secret_token="s3cret")
    await telegram.user_says(ada, "after")
    await eventually(lambda: telegram.pending_updates == 0, "both are delivered")
    assert hook.texts == ["before:200", "after:200"]
    assert hook.secrets == {"s3cret"}


async def test_a_failed_delivery_is_repeated_until_it_goes_through(
    telegram: BotAPIServer, ask: Ask, ada: Chat, hook: RecordingWebhook
) -> None:
    """A non-2xx is counted as pending and told in getWebhookInfo until it went through, in order."""
    hook.statuses = [503, 500]
    await ask("setWebhook", url=hook.url)
    await telegram.user_says(ada, "one")
    await telegram.user_says(ada, "two")
    await eventually(lambda: telegram.pending_updates == 0, "both are delivered")
    assert hook.texts == ["one:503", "one:500", "one:200", "two:200"]
    info = (await ask("getWebhookInfo"))["result"]
    assert info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"
    assert info["last_error_date"] > 0
    assert info["pending_update_count"] == 0


async def test_a_failing_update_holds_back_its_own_chat_only(
    telegram: BotAPIServer, ask: Ask, ada: Chat, hook: RecordingWebhook
) -> None:
    """The next message of the same chat waits behind it; another chat's does not."""
    bob = telegram.private_chat(telegram.user(8))
    hook.failing = {"stuck"}
    await ask("setWebhook", url=hook.url)
    await telegram.user_says(ada, "stuck")
    await telegram.user_says(ada, "behind")
    await telegram.user_says(bob, "free")
    await eventually(lambda: "free:200" in hook.texts, "the other chat is served")
    await eventually(lambda: hook.texts.count("stuck:503") > 2, "the stuck one is tried again")
    assert telegram.pending_updates == 2
    hook.failing.clear()
    await eventually(lambda: telegram.pending_updates == 0, "all are delivered")
    assert hook.texts[-2:] == ["stuck:200", "behind:200"]


async def test_chats_are_delivered_side_by_side_up_to_max_connections(
    telegram: BotAPIServer, ask: Ask, ada: Chat, hook: RecordingWebhook
) -> None:
    """Chats are delivered side by side, each in order, at most max_connections at once."""
    others = [telegram.private_chat(telegram.user(100 + n)) for n in range(5)]
    hook.gate.clear()
    await ask("setWebhook", url=hook.url, max_connections=3)
    for chat in (ada, *others):
        await telegram.user_says(chat, f"one {chat.id}")
        await telegram.user_says(chat, f"two {chat.id}")
    await eventually(lambda: hook.busy == 3, "three deliveries are under way")
    hook.gate.set()
    await eventually(lambda: telegram.pending_updates == 0, "all are delivered")
    assert hook.most_busy == 3
    assert len(hook.texts) == 12
    for chat in (ada, *others):
        assert hook.texts.index(f"one {chat.id}:200") < hook.texts.index(f"two {chat.id}:200")


async def test_an_unreachable_webhook_keeps_its_updates(telegram: BotAPIServer, ask: Ask, ada: Chat) -> None:
    """Nothing is lost while nobody listens; deleteWebhook gives the updates back to polling."""
    await ask("setWebhook", url="http://127.0.0.1:9/hook")
    await telegram.user_says(ada, "patient")
    await eventually(lambda: "last_error_message" in telegram.webhook, "the failure is noted")
    assert telegram.webhook["last_error_message"].startswith("Connection failed")
    assert telegram.webhook["pending_update_count"] == 1
    await ask("deleteWebhook")
    assert _texts(await ask("getUpdates")) == ["patient"]


async def test_pending_updates_are_dropped_on_request(
    telegram: BotAPIServer, ask: Ask, ada: Chat, hook: RecordingWebhook
) -> None:
    """drop_pending_updates forgets what waits, also what a failing webhook holds back."""
    await ask("setWebhook", url="http://127.0.0.1:9/hook")
    await telegram.user_says(ada, "old")
    await ask("setWebhook", url=hook.url, drop_pending_updates=True)
    await telegram.user_says(ada, "new")
    await eventually(lambda: hook.texts, "the new one is delivered")
    assert hook.texts == ["new:200"]


async def test_an_update_is_pushed_five_times_at_once(
    telegram: BotAPIServer, ask: Ask, ada: Chat, hook: RecordingWebhook
) -> None:
    """push_raw posts the very same update side by side and tells each answer."""
    await ask("setWebhook", url=hook.url)
    update = telegram.update(await telegram.user_says(ada, "again"))
    await eventually(lambda: telegram.pending_updates == 0, "the first is delivered")
    hook.gate.clear()
    hook.statuses = [200, 503]
    pushing = asyncio.create_task(telegram.push_raw(update, times=5, at_once=True))
    await eventually(lambda: hook.busy == 5, "five are under way")
    hook.gate.set()
    assert sorted(await pushing) == [200, 200, 200, 200, 503]
    assert await telegram.push_raw(update, times=2) == [200, 200]
    assert len(hook.texts) == 8


async def test_a_raw_update_waits_for_polling(telegram: BotAPIServer, ask: Ask) -> None:
    """Without a webhook a pushed update is polled, as often as it was pushed, under a given or a new id."""
    assert await telegram.push_raw({"poll": {"id": "5"}}) == []
    assert await telegram.push_raw({"update_id": 800_000_000, "message": {"text": "x"}}, times=2) == []
    updates = (await ask("getUpdates"))["result"]
    assert [update["update_id"] > 700_000_000 for update in updates] == [True] * 3
    assert updates[1] == updates[2] == {"update_id": 800_000_000, "message": {"text": "x"}}
