"""What the Bot API server does wrong on purpose, at exact points, here and in a process of its own."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from wireroom.testing.bot_api import (
    BotAPIServer,
    Call,
    Chat,
    DropAfter,
    DropBefore,
    Fault,
    Garble,
    Hang,
    Slow,
    When,
    blocked,
    broken,
    flooded,
    rejected,
)
from wireroom.testing.eventually import eventually

Send = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Give a started server."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def send(telegram: BotAPIServer) -> AsyncIterator[Send]:
    """Give a function that sends a message and returns the envelope."""
    async with aiohttp.ClientSession() as http:

        async def call(text: str, chat_id: int = 7) -> dict[str, Any]:
            url = f"{telegram.url}/bot{telegram.token}/sendMessage"
            async with http.post(url, json={"chat_id": chat_id, "text": text}) as response:
                body: dict[str, Any] = await response.json()
                return body

        yield call


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Give a private chat."""
    return telegram.private_chat(telegram.user(7))


def _seen(telegram: BotAPIServer, chat: Chat) -> list[str]:
    return [message.text for message in telegram.visible(chat)]


@pytest.mark.parametrize(
    ("fault", "code", "parameters"),
    [
        (flooded(30), 429, {"retry_after": 30}),
        (blocked(), 403, None),
        (rejected("message is too odd"), 400, None),
        (broken(), 500, None),
    ],
)
async def test_a_refusal_is_answered_and_does_nothing(
    *, telegram: BotAPIServer, send: Send, ada: Chat, fault: Fault, code: int, parameters: object
) -> None:
    """One call gets the error, nothing appears, and the next call works."""
    rule = telegram.fault(fault, method="SendMessage")
    answer = await send("x")
    assert (answer["ok"], answer["error_code"], answer.get("parameters")) == (False, code, parameters)
    assert _seen(telegram, ada) == []
    assert (await send("y"))["ok"] is True
    assert rule.hits == 1


async def test_a_fault_hits_only_its_method_chat_and_count(
    telegram: BotAPIServer, send: Send, ada: Chat
) -> None:
    """Other chats and methods are served; a rule without a count ends when it is lifted."""
    bob = telegram.private_chat(telegram.user(8))
    telegram.fault(broken(), method="editMessageText", count=None)
    telegram.fault(broken(), chat=ada, count=2)
    rule = telegram.fault(blocked(), chat=bob, count=None)
    assert [(await send("x"))["ok"] for _ in range(3)] == [False, False, True]
    assert [(await send("x", bob.id))["error_code"] for _ in range(3)] == [403] * 3
    rule.lift()
    assert (await send("x", bob.id))["ok"] is True
    telegram.fault(broken(), count=None)
    assert (await send("x"))["ok"] is False
    telegram.lift_faults()
    assert (await send("x"))["ok"] is True


async def test_a_drop_before_acting_leaves_nothing(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """The caller sees a broken connection, people see no message."""
    telegram.fault(DropBefore())
    with pytest.raises(aiohttp.ClientError):
        await send("x")
    assert _seen(telegram, ada) == []
    assert (telegram.calls[-1].acted, telegram.calls[-1].outcome) == (False, "dropped before acting")


async def test_a_drop_after_acting_leaves_the_message(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """The caller sees the same broken connection, yet the message stands."""
    telegram.fault(DropAfter())
    with pytest.raises(aiohttp.ClientError):
        await send("x")
    assert _seen(telegram, ada) == ["x"]
    assert (telegram.calls[-1].acted, telegram.calls[-1].outcome) == (True, "dropped after acting")


async def test_a_hang_says_nothing_and_does_nothing(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """The call is silent for its time, then the connection breaks."""
    telegram.fault(Hang(0.1))
    started = time.monotonic()
    with pytest.raises(aiohttp.ClientError):
        await send("x")
    assert time.monotonic() - started >= 0.1
    assert _seen(telegram, ada) == []


async def test_a_slow_answer_comes_after_the_deed(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """People see the message long before the caller is answered."""
    telegram.fault(Slow(0.1))
    assert (await send("x"))["ok"] is True
    answered_at = telegram.calls[-1].finished_at
    assert answered_at is not None
    assert telegram.sightings(ada)[0].at <= answered_at - 0.1


async def test_a_garbled_answer_is_not_json(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """The status is 200, the message stands, the body cannot be read."""
    telegram.fault(Garble())
    with pytest.raises(json.JSONDecodeError):
        await send("x")
    assert _seen(telegram, ada) == ["x"]


@pytest.mark.parametrize(("when", "seen"), [(When.BEFORE, []), (When.AFTER, ["x"])])
async def test_a_held_call_waits_at_its_point(
    telegram: BotAPIServer, send: Send, ada: Chat, when: When, seen: list[str]
) -> None:
    """A hold parks one call before or after it acts; released, it goes on; others are not held."""
    hold = telegram.hold("sendMessage", when, chat=ada)
    sending = asyncio.create_task(send("x"))
    await hold.reached()
    assert _seen(telegram, ada) == seen
    assert not sending.done()
    await send("y")
    hold.release()
    assert (await sending)["ok"] is True
    assert sorted(_seen(telegram, ada)) == ["x", "y"]


@pytest.mark.parametrize(("when", "seen"), [(When.BEFORE, []), (When.AFTER, ["x"])])
async def test_a_held_call_can_be_dropped(
    telegram: BotAPIServer, send: Send, ada: Chat, when: When, seen: list[str]
) -> None:
    """Dropped before acting it never happened; dropped after acting only the answer is lost."""
    hold = telegram.hold("sendMessage", when)
    sending = asyncio.create_task(send("x"))
    await hold.reached()
    hold.release(drop=True)
    with pytest.raises(aiohttp.ClientError):
        await sending
    assert _seen(telegram, ada) == seen


async def test_a_hold_that_nobody_releases_times_out(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """The call goes on by itself, and a hold that nothing comes to says so."""
    hold = telegram.hold(timeout_seconds=0.05)
    assert (await send("x"))["ok"] is True
    assert hold.is_over
    with pytest.raises(TimeoutError):
        await telegram.hold("sendVoice").reached(0.01)
    assert _seen(telegram, ada) == ["x"]


async def test_a_hook_runs_before_and_after_each_call(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """on_call sees the world as it is at both points."""
    points: list[tuple[str, When, list[str]]] = []

    async def note(call: Call, when: When) -> None:
        points.append((call.method, when, _seen(telegram, ada)))

    telegram.on_call = note
    await send("x")
    assert points == [("sendMessage", When.BEFORE, []), ("sendMessage", When.AFTER, ["x"])]
    assert telegram.on_call is note


async def test_a_hook_that_raises_answers_500(telegram: BotAPIServer, send: Send, ada: Chat) -> None:
    """A broken hook is visible to the caller and in the log of calls."""

    async def fail(_call: Call, _when: When) -> None:
        raise LookupError("the hook is broken")

    telegram.on_call = fail
    with pytest.raises(aiohttp.ContentTypeError, match="500"):
        await send("x")
    assert telegram.calls[-1].outcome == "failed: LookupError('the hook is broken')"


async def test_closing_ends_everything_that_waits() -> None:
    """A long poll, a hang and a hold do not outlive the server, nor do its tasks."""
    before = asyncio.all_tasks()
    async with aiohttp.ClientSession() as http:
        async with BotAPIServer() as telegram:
            telegram.private_chat(telegram.user(7))
            telegram.fault(Hang(60), method="sendChatAction")
            hold = telegram.hold("sendMessage", When.BEFORE)
            url = f"{telegram.url}/bot{telegram.token}/"
            waiting = [
                asyncio.create_task(_outcome(http, url + method, params))
                for method, params in (
                    ("getUpdates", {"timeout": 50}),
                    ("sendChatAction", {"chat_id": 7, "action": "typing"}),
                    ("sendMessage", {"chat_id": 7, "text": "x"}),
                )
            ]
            await eventually(lambda: len(telegram.calls) == 3, "all have arrived")
            await hold.reached()
        assert await asyncio.gather(*waiting) == [200, 0, 0]
        assert asyncio.all_tasks() - before == set()


async def _outcome(http: aiohttp.ClientSession, url: str, params: dict[str, Any]) -> int:
    try:
        async with http.post(url, json=params) as response:
            await response.read()
            return response.status
    except aiohttp.ClientError:
        return 0


async def test_two_thousand_messages_are_kept_in_order(telegram: BotAPIServer) -> None:
    """A storm over many chats is answered wholly, each chat in its own order."""
    chats = [telegram.private_chat(telegram.user(1000 + n)) for n in range(20)]
    url = f"{telegram.url}/bot{telegram.token}/sendMessage"

    async def talk(chat: Chat) -> None:
        for number in range(100):
            async with http.post(url, json={"chat_id": chat.id, "text": str(number)}) as response:
                assert response.status == 200

    async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as group:
        for chat in chats:
            group.create_task(talk(chat))
    wanted = [str(number) for number in range(100)]
    assert all(_seen(telegram, chat) == wanted for chat in chats)


class Remote:
    """The server in a process of its own, steered over HTTP."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str) -> None:
        self._http = http
        self._url = url
        self._token = token

    async def do(self, action: str, **params: Any) -> Any:
        """Act for people or set what goes wrong."""
        async with self._http.post(f"{self._url}/_control/{action}", json=params) as response:
            return await self._result(response)

    async def see(self, view: str, **params: Any) -> Any:
        """Look."""
        async with self._http.get(f"{self._url}/_control/{view}", params=params) as response:
            return await self._result(response)

    async def call(self, method: str, **params: Any) -> Any:
        """Call as the bot."""
        async with self._http.post(f"{self._url}/bot{self._token}/{method}", json=params) as response:
            return await response.json()

    async def _result(self, response: aiohttp.ClientResponse) -> Any:
        body = await response.json()
        assert body["ok"], body
        return body["result"]


@pytest.fixture
async def remote() -> AsyncIterator[Remote]:
    """Give a server that runs as a program; it must end well on SIGTERM."""
    command = (sys.executable, "-m", "wireroom.testing.bot_api", "--token", "77:abc")
    program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    ready = json.loads(await asyncio.wait_for(program.stdout.readline(), 15))
    assert ready["pid"] == program.pid
    try:
        async with aiohttp.ClientSession() as http:
            yield Remote(http, ready["url"], ready["token"])
    finally:
        os.kill(program.pid, signal.SIGTERM)
        assert await asyncio.wait_for(program.wait(), 10) == 0


async def test_the_program_plays_people_over_http(remote: Remote) -> None:
    """Everything a test does in process can be done from another one."""
    ada = (await remote.do("user", id=7, name="Ada"))["chat"]
    forum = (await remote.do("group", title="team", forum=True))["chat"]
    thread = (await remote.do("topic", chat=forum, name="builds"))["thread"]
    said = await remote.do("say", chat=ada, text="hello")
    await remote.do("say", chat=forum, text="hi", user=7, thread=thread)
    await remote.do("edit", chat=ada, message_id=said["message_id"], text="hello again")
    content = base64.b64encode(b"x").decode()
    filed = await remote.do("document", chat=ada, name="x.txt", content=content, caption="look")
    await remote.do("voice", chat=ada, content=content)
    assert await remote.see("pending") == 5
    assert len((await remote.call("getUpdates"))["result"]) == 5
    keyboard = {"inline_keyboard": [[{"text": "Stop", "callback_data": "s"}]]}
    reply = {"message_id": said["message_id"]}
    await remote.call("sendMessage", chat_id=ada, text="yes?", reply_parameters=reply, reply_markup=keyboard)
    (answer,) = await remote.see("answers", message_id=said["message_id"])
    pressed = await remote.do("press", chat=ada, message_id=answer["id"], button="Stop")
    query = (await remote.see("update", update_id=pressed["update_id"]))["callback_query"]["id"]
    await remote.call("answerCallbackQuery", callback_query_id=query, text="stopped")
    assert (await remote.see("callback_answers"))[query]["text"] == "stopped"
    await remote.do("delete", chat=ada, message_id=filed["message_id"])
    assert [one["text"] for one in await remote.see("visible", chat=ada)] == ["hello again", "", "yes?"]
    assert await remote.see("seen_texts", chat=ada) == ["hello", "hello again", "look", "", "yes?"]
    assert [one["change"] for one in await remote.see("sightings", chat=forum)] == ["sent"]
    assert await remote.do("push", update={"update_id": 900_000_000}, times=2) == []
    assert await remote.see("pending") == 8
    assert (await remote.see("webhook"))["url"] == ""
    assert await remote.see("commands") == []
    assert [call["outcome"] for call in await remote.see("calls", method="sendMessage")] == ["ok"]


async def test_the_program_parks_and_spoils_calls_over_http(remote: Remote) -> None:
    """A hold reports its arrival and lets go; faults are set and lifted."""
    ada = (await remote.do("user", id=7))["chat"]
    hold = (await remote.do("hold", method="sendMessage", when="after"))["id"]
    assert await remote.see("hold", id=hold) == {"reached": False}
    sending = asyncio.create_task(remote.call("sendMessage", chat_id=ada, text="x"))
    assert await remote.see("hold", id=hold, wait_seconds=5) == {"reached": True}
    assert len(await remote.see("visible", chat=ada)) == 1
    await remote.do("release", id=hold, drop=True)
    with pytest.raises(aiohttp.ClientError):
        await sending
    await remote.do("fault", kind="flooded", retry_after=3, method="sendMessage", count=0)
    for _ in range(2):
        answer = await remote.call("sendMessage", chat_id=ada, text="x")
        assert answer["parameters"] == {"retry_after": 3}
    await remote.do("lift_faults")
    assert (await remote.call("sendMessage", chat_id=ada, text="x"))["ok"] is True


async def test_the_program_tells_what_it_did_not_understand(remote: Remote) -> None:
    """A wrong control request is answered with the reason."""
    for action, params, problem in (
        ("fault", {"kind": "meteor"}, "no fault 'meteor', only flooded"),
        ("say", {"chat": 5, "text": "x"}, "KeyError: 5"),
        ("dance", {}, "no control POST dance"),
    ):
        with pytest.raises(AssertionError, match=problem):
            await remote.do(action, **params)
