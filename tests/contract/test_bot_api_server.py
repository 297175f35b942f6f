"""The Bot API server as a plain HTTP client meets it: bodies, envelopes, rules of writing and changing."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import aiohttp
import msgspec
import pytest

from wireroom.testing.bot_api import BotAPIServer, Change, Chat

Ask = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@pytest.fixture
async def telegram() -> AsyncIterator[BotAPIServer]:
    """Give a started server."""
    async with BotAPIServer() as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Give an HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def ask(telegram: BotAPIServer, http: aiohttp.ClientSession) -> Ask:
    """Give a function that calls a method with JSON parameters and returns the envelope."""

    async def call(method: str, **params: Any) -> dict[str, Any]:
        async with http.post(f"{telegram.url}/bot{telegram.token}/{method}", json=params) as response:
            body: dict[str, Any] = await response.json()
            assert body["ok"] is (response.status == 200)
            assert body.get("error_code", 200) == response.status
            return body

    return call


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Give a private chat."""
    return telegram.private_chat(telegram.user(7, "Ada", "ada"))


async def test_server_takes_parameters_from_every_kind_of_body(
    telegram: BotAPIServer, http: aiohttp.ClientSession, ada: Chat
) -> None:
    """JSON, a form, multipart and the query string mean the same; names of methods do not mind case."""
    url = f"{telegram.url}/bot{telegram.token}/"
    markup = {"inline_keyboard": [[{"text": "Go", "callback_data": "go"}]]}
    form = {"chat_id": "7", "text": "hi", "reply_markup": msgspec.json.encode(markup).decode()}
    parts = aiohttp.FormData(form, default_to_multipart=True)
    for request in (
        http.post(url + "sendMessage", json={"chat_id": 7, "text": "hi", "reply_markup": markup}),
        http.post(url + "sendMessage", data=form),
        http.post(url + "SENDMESSAGE", data=parts),
        http.get(url + "sendmessage", params=form),
    ):
        async with request as response:
            assert response.status == 200, await response.text()
            assert (await response.json())["result"]["reply_markup"] == markup
    assert [message.text for message in telegram.visible(ada)] == ["hi"] * 4
    assert [call.method for call in telegram.calls] == ["sendMessage"] * 4


async def test_server_refuses_wrong_tokens_methods_and_bodies(
    telegram: BotAPIServer, http: aiohttp.ClientSession, ask: Ask
) -> None:
    """401 for the token, 404 for the method or path, 400 for a body that cannot be read."""
    for path, data, status in (
        ("/bot123456:other/getMe", b"{}", 401),
        ("/file/bot123456:other/x", b"{}", 401),
        (f"/bot{telegram.token}/getEverything", b"{}", 404),
        (f"/file/bot{telegram.token}/documents/none", b"{}", 404),
        ("/elsewhere", b"{}", 404),
        ("/_control/calls", b"{}", 404),
        (f"/bot{telegram.token}/sendMessage", b"{", 400),
        (f"/bot{telegram.token}/sendMessage", b"[]", 400),
    ):
        headers = {"Content-Type": "application/json"}
        async with http.post(telegram.url + path, data=data, headers=headers) as response:
            assert response.status == status, path
            assert (await response.json())["error_code"] == status
    assert (await ask("getMe"))["result"]["is_bot"] is True


async def test_message_ids_rise_and_only_supergroups_count_for_themselves(
    telegram: BotAPIServer, ask: Ask, ada: Chat
) -> None:
    """Private chats and basic groups share a sequence; a supergroup begins at 1."""
    team, big = telegram.group("team"), telegram.group("big", supergroup=True)
    ids = [
        (await ask("sendMessage", chat_id=chat.id, text="x"))["result"]["message_id"]
        for chat in (ada, team, big, ada, big)
    ]
    assert ids == [1, 2, 1, 3, 2]


@pytest.mark.parametrize(
    ("method", "params", "problem"),
    [
        ("sendMessage", {"text": "x"}, "chat_id is empty"),
        ("sendMessage", {"chat_id": 8, "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": "@nobody", "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": 7, "text": ""}, "message text is empty"),
        ("sendMessage", {"chat_id": 7, "text": "x" * 4097}, "message is too long"),
        ("sendMessage", {"chat_id": 7, "text": "<q>", "parse_mode": "HTML"}, "can't parse entities"),
        ("sendMessage", {"chat_id": 7, "text": "x", "message_thread_id": 5}, "message thread not found"),
        (
            "sendMessage",
            {"chat_id": 7, "text": "x", "reply_parameters": {"message_id": 99}},
            "message to be replied not found",
        ),
        ("sendDocument", {"chat_id": 7}, "there is no document in the request"),
        ("sendDocument", {"chat_id": 7, "document": "nonsense"}, "wrong file identifier"),
        ("editMessageText", {"chat_id": 7, "text": "y"}, "message identifier is not specified"),
        ("editMessageText", {"chat_id": 7, "message_id": 99, "text": "y"}, "message to edit not found"),
        ("editMessageText", {"chat_id": 7, "message_id": 1, "text": "y"}, "message can't be edited"),
        ("editMessageText", {"chat_id": 7, "message_id": 2, "text": "there"}, "message is not modified"),
        ("editMessageReplyMarkup", {"chat_id": 7, "message_id": 2}, "message is not modified"),
        ("editMessageMedia", {"chat_id": 7, "message_id": 2}, "media is not specified"),
        (
            "editMessageMedia",
            {"chat_id": 7, "message_id": 2, "media": {"type": "animation"}},
            "unsupported media type",
        ),
        ("deleteMessage", {"chat_id": 7, "message_id": 99}, "message to delete not found"),
        ("sendChatAction", {"chat_id": 7, "action": "dancing"}, "wrong parameter action"),
        ("sendMessageDraft", {"chat_id": 7, "draft_id": 0, "text": "x"}, "draft identifier must be non-zero"),
        ("answerCallbackQuery", {"callback_query_id": "5"}, "query is too old"),
        ("getFile", {"file_id": "5"}, "wrong file_id"),
        ("setMessageReaction", {"chat_id": 7, "message_id": 99}, "message to react not found"),
        (
            "setMessageReaction",
            {"chat_id": 7, "message_id": 1, "reaction": [{"type": "emoji", "emoji": "🧵"}]},
            "REACTION_INVALID",
        ),
        (
            "setMyCommands",
            {"commands": [{"command": "Stop!", "description": "x"}]},
            "BOT_COMMAND_INVALID",
        ),
        (
            "setMyCommands",
            {"commands": [{"command": "stop", "description": ""}]},
            "BOT_COMMAND_DESCRIPTION_INVALID",
        ),
        ("setWebhook", {"url": "ftp://127.0.0.1/x"}, "bad webhook: An HTTPS URL must be provided"),
        (
            "setWebhook",
            {"url": "http://127.0.0.1:9/x", "secret_token": "ä"},
            "secret token contains unallowed characters",
        ),
    ],
)
async def test_server_refuses_what_telegram_refuses(
    *, telegram: BotAPIServer, ask: Ask, ada: Chat, method: str, params: dict[str, Any], problem: str
) -> None:
    """Each mistake is a 400 in Telegram's words, and nothing changes on the screen."""
    await telegram.user_says(ada, "hello")
    await ask("sendMessage", chat_id=7, text="there")
    before = telegram.visible(ada)
    answer = await ask(method, **params)
    assert answer["error_code"] == 400
    assert answer["description"].startswith("Bad Request: ")
    assert problem in answer["description"]
    assert telegram.visible(ada) == before
    assert telegram.calls[-1].outcome == f"400 {answer['description']}"
    assert not telegram.calls[-1].acted


@pytest.mark.parametrize(
    ("markup", "problem"),
    [
        ({"inline_keyboard": [[{"text": "x", "callback_data": ""}]]}, "BUTTON_DATA_INVALID"),
        ({"inline_keyboard": [[{"text": "x", "callback_data": "é" * 33}]]}, "BUTTON_DATA_INVALID"),
        ({"inline_keyboard": [[{"text": "x"}]]}, "Text buttons are unallowed"),
        ({"inline_keyboard": [[{"text": " ", "callback_data": "x"}]]}, "text must be non-empty"),
        ({"inline_keyboard": [[{"text": "x", "url": "localhost"}]]}, "wrong HTTP URL"),
        ({"inline_keyboard": [["x"]]}, "expected an Object"),
        ({"inline_keyboard": ["x"]}, "must be an Array of Arrays"),
        ({"inline_keyboard": [[{"text": "x", "callback_data": "x"}] * 101]}, "reply markup is too long"),
        ({"something": True}, "inline keyboard expected"),
        ("{", "can't parse reply_markup"),
    ],
)
async def test_server_refuses_keyboards_that_telegram_refuses(
    ask: Ask, ada: Chat, markup: object, problem: str
) -> None:
    """A button carries exactly one action and 1 to 64 bytes of data."""
    answer = await ask("sendMessage", chat_id=ada.id, text="x", reply_markup=markup)
    assert problem in answer["description"]


async def test_other_keyboards_are_taken_with_a_message_but_not_with_an_edit(ask: Ask, ada: Chat) -> None:
    """A reply keyboard leaves nothing under the message; an edit wants an inline one."""
    sent = await ask("sendMessage", chat_id=ada.id, text="x", reply_markup={"force_reply": True})
    assert "reply_markup" not in sent["result"]
    edit = {"chat_id": ada.id, "message_id": sent["result"]["message_id"], "text": "y"}
    refused = await ask("editMessageText", **edit, reply_markup={"force_reply": True})
    assert refused["description"] == "Bad Request: inline keyboard expected"


async def test_an_edit_replaces_text_and_takes_the_keyboard_away(
    telegram: BotAPIServer, ask: Ask, ada: Chat
) -> None:
    """What an edit leaves out is gone, its past stays in the history."""
    keyboard = {"inline_keyboard": [[{"text": "Stop", "callback_data": "stop"}]]}
    sent = (await ask("sendMessage", chat_id=7, text="working", reply_markup=keyboard))["result"]
    assert telegram.message(ada, sent["message_id"]).button("Stop").data == "stop"
    edited = (await ask("editMessageText", chat_id=7, message_id=sent["message_id"], text="done"))["result"]
    assert edited["edit_date"] >= edited["date"]
    seen = telegram.message(ada, sent["message_id"])
    assert (seen.text, seen.edits, seen.buttons) == ("done", 1, ())
    assert telegram.seen_texts(ada) == ["working", "done"]
    with pytest.raises(LookupError, match="no button 'Stop'"):
        seen.button("Stop")


async def test_a_keyboard_changes_alone_without_counting_as_an_edit(
    telegram: BotAPIServer, ask: Ask, ada: Chat
) -> None:
    """Method editMessageReplyMarkup leaves the text and its edit date as they are."""
    sent = (await ask("sendMessage", chat_id=7, text="x"))["result"]
    keyboard = {"inline_keyboard": [[{"text": "Stop", "callback_data": "stop"}]]}
    changed = await ask(
        "editMessageReplyMarkup", chat_id=7, message_id=sent["message_id"], reply_markup=keyboard
    )
    assert "edit_date" not in changed["result"]
    assert telegram.visible(ada)[0].edits == 0
    assert telegram.visible(ada)[0].button("Stop").message_id == sent["message_id"]


async def test_a_reply_is_found_by_what_it_answers(telegram: BotAPIServer, ask: Ask, ada: Chat) -> None:
    """answers_to lists the bot's replies; a missing target is tolerated only when the caller says so."""
    asked = telegram.message_id_of(await telegram.user_says(ada, "how are you?"))
    sent = (await ask("sendMessage", chat_id=7, text="fine", reply_parameters={"message_id": asked}))[
        "result"
    ]
    assert sent["reply_to_message"]["text"] == "how are you?"
    assert [answer.text for answer in telegram.answers_to(asked)] == ["fine"]
    assert telegram.answers_to(asked, chat=ada)[0].reply_to == asked
    await telegram.user_deletes(ada, asked)
    loose = {"message_id": asked, "allow_sending_without_reply": True}
    sent = (await ask("sendMessage", chat_id=7, text="still fine", reply_parameters=loose))["result"]
    assert "reply_to_message" not in sent
    assert len(telegram.answers_to(asked)) == 1


async def test_a_topic_keeps_its_messages_together(telegram: BotAPIServer, ask: Ask) -> None:
    """A message goes to the topic named, or to that of the message it answers."""
    forum, ada = telegram.group("team", forum=True), telegram.user(7)
    thread = telegram.topic(forum, "builds")
    update = await telegram.user_says(forum, "hi", user=ada, thread=thread)
    asked = telegram.message_id_of(update)
    assert telegram.update(update)["message"]["is_topic_message"] is True
    await ask("sendMessage", chat_id=forum.id, text="by thread", message_thread_id=thread)
    await ask("sendMessage", chat_id=forum.id, text="by reply", reply_parameters={"message_id": asked})
    await ask("sendMessage", chat_id=forum.id, text="outside")
    assert [message.text for message in telegram.visible(forum, thread)] == ["hi", "by thread", "by reply"]


async def test_a_thread_of_replies_is_no_topic(telegram: BotAPIServer, ask: Ask) -> None:
    """In a plain supergroup a reply carries a thread id that cannot be sent to."""
    big, ada = telegram.group("big", supergroup=True), telegram.user(7)
    first = telegram.message_id_of(await telegram.user_says(big, "one", user=ada))
    reply = telegram.update(await telegram.user_says(big, "two", user=ada, reply_to=first))["message"]
    assert reply["message_thread_id"] == first
    assert "is_topic_message" not in reply
    refused = await ask("sendMessage", chat_id=big.id, text="x", message_thread_id=first)
    assert refused["description"] == "Bad Request: message thread not found"


async def test_a_text_becomes_a_document_and_can_be_fetched(
    telegram: BotAPIServer, http: aiohttp.ClientSession, ask: Ask, ada: Chat
) -> None:
    """A text turned into a file by editMessageMedia has no text to edit and can be downloaded."""
    sent = (await ask("sendMessage", chat_id=7, text="working"))["result"]
    media = {"type": "document", "media": "attach://log", "caption": "<b>all</b>", "parse_mode": "HTML"}
    form = aiohttp.FormData({"chat_id": "7", "message_id": str(sent["message_id"])})
    form.add_field("media", msgspec.json.encode(media).decode())
    form.add_field("log", b"line\n" * 3, filename="log.txt", content_type="text/plain")
    async with http.post(f"{telegram.url}/bot{telegram.token}/editMessageMedia", data=form) as response:
        document = (await response.json())["result"]["document"]
    seen = telegram.visible(ada)[0]
    assert (seen.document_name, seen.document, seen.text) == ("log.txt", b"line\n" * 3, "all")
    assert seen.entities[0]["type"] == "bold"
    refused = await ask("editMessageText", chat_id=7, message_id=seen.id, text="y")
    assert refused["description"] == "Bad Request: there is no text in the message to edit"
    file = (await ask("getFile", file_id=document["file_id"]))["result"]
    async with http.get(f"{telegram.url}/file/bot{telegram.token}/{file['file_path']}") as response:
        assert await response.read() == b"line\n" * 3
    again = await ask("sendDocument", chat_id=7, document=document["file_id"])
    assert again["result"]["document"]["file_id"] == document["file_id"]


async def test_an_upload_must_hold_something_and_not_too_much(
    telegram: BotAPIServer, http: aiohttp.ClientSession, ada: Chat
) -> None:
    """An empty file is a 400, one beyond 50 MB a 413."""
    for content, status, problem in (
        (b"", 400, "file must be non-empty"),
        (bytes(52 * 1024 * 1024), 413, "Request Entity Too Large"),
    ):
        form = aiohttp.FormData({"chat_id": "7"})
        form.add_field("document", io.BytesIO(content), filename="x.bin")
        async with http.post(f"{telegram.url}/bot{telegram.token}/sendDocument", data=form) as response:
            assert response.status == status
            assert problem in (await response.json())["description"]
    assert telegram.visible(ada) == []


async def test_who_may_delete_depends_on_the_chat(telegram: BotAPIServer, ask: Ask, ada: Chat) -> None:
    """In a private chat the bot deletes anything, in a group only its own."""
    team = telegram.group("team")
    mine = telegram.message_id_of(await telegram.user_says(ada, "x"))
    assert (await ask("deleteMessage", chat_id=7, message_id=mine))["result"] is True
    other = telegram.message_id_of(await telegram.user_says(team, "y", user=telegram.user(7)))
    refused = await ask("deleteMessage", chat_id=team.id, message_id=other)
    assert refused["description"] == "Bad Request: message can't be deleted"
    assert telegram.visible(ada) == []
    assert [one.change for one in telegram.sightings(ada)] == [Change.SENT, Change.DELETED]


async def test_drafts_and_reactions_are_seen(telegram: BotAPIServer, ask: Ask, ada: Chat) -> None:
    """A draft is seen but does not stand; a reaction stays on its message until removed."""
    asked = telegram.message_id_of(await telegram.user_says(ada, "go"))
    await ask("sendMessageDraft", chat_id=7, draft_id=1, text="thin")
    heart = {"chat_id": 7, "message_id": asked, "reaction": [{"type": "emoji", "emoji": "👀"}]}
    await ask("setMessageReaction", **heart)
    assert telegram.seen_texts(ada) == ["go", "thin"]
    assert [message.reactions for message in telegram.visible(ada)] == [("👀",)]
    await ask("setMessageReaction", chat_id=7, message_id=asked, reaction=[])
    assert telegram.message(ada, asked).reactions == ()


async def test_flood_control_is_off_unless_asked_for(ask: Ask, ada: Chat) -> None:
    """By default a test may send as fast as it likes."""
    answers = [await ask("sendMessage", chat_id=ada.id, text=str(n)) for n in range(40)]
    assert all(answer["ok"] for answer in answers)


async def test_flood_control_answers_429_with_the_wait(http: aiohttp.ClientSession) -> None:
    """When enforced, a second message within a second is refused and says how long to wait."""
    async with BotAPIServer(enforce_flood=True) as telegram:
        ada = telegram.private_chat(telegram.user(7))
        statuses = []
        for text in ("one", "two"):
            url = f"{telegram.url}/bot{telegram.token}/sendMessage"
            async with http.post(url, json={"chat_id": 7, "text": text}) as response:
                statuses.append(response.status)
                body = await response.json()
        assert statuses == [200, 429]
        assert body["parameters"] == {"retry_after": 1}
        assert body["description"] == "Too Many Requests: retry after 1"
        assert [message.text for message in telegram.visible(ada)] == ["one"]


async def test_people_cannot_do_what_an_app_would_not_let_them(
    telegram: BotAPIServer, ask: Ask, ada: Chat
) -> None:
    """A mistake of the test is told to the test: foreign messages, unknown topics, nobody named."""
    sent = (await ask("sendMessage", chat_id=7, text="mine"))["result"]["message_id"]
    mine = telegram.message_id_of(await telegram.user_says(ada, "same"))
    with pytest.raises(ValueError, match="is the bot's"):
        await telegram.user_edits(ada, sent, "yours")
    with pytest.raises(ValueError, match="not modified"):
        await telegram.user_edits(ada, mine, "same")
    with pytest.raises(LookupError, match="no message 99"):
        await telegram.user_deletes(ada, 99)
    with pytest.raises(ValueError, match="has no topic 5"):
        await telegram.user_says(ada, "x", thread=5)
    with pytest.raises(ValueError, match="1 to 4096"):
        await telegram.user_says(ada, "x" * 4097)
    team = telegram.group("team")
    with pytest.raises(ValueError, match="name the user"):
        await telegram.user_says(team, "x")
    with pytest.raises(ValueError, match="has no topics"):
        telegram.topic(team, "x")


async def test_url_is_known_only_while_started() -> None:
    """Asking for the address before the start is told what to do."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = BotAPIServer().url
