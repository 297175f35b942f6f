"""`/api/chat`: the page's conversation, on a whole service."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from sqlalchemy import event, func, select

from wireroom.api.chat import MAX_TEXT_BYTES
from wireroom.api.chat_view import SHOWN_CHARS
from wireroom.app.service import Service
from wireroom.store.schema import audit, runs
from wireroom.testing.scripted_agent import ScriptedAgent

Client = aiohttp.ClientSession
Call = Callable[..., Any]
JSON = {"Content-Type": "application/json"}


async def get(client: Client, path: str, status: int = 200) -> Any:
    """Return the body of a GET."""
    async with client.get(path) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def say(client: Client, request_id: str, text: str, status: int = 202) -> Any:
    """Post a message and return the body of the answer."""
    body = io.BytesIO(msgspec.json.encode({"request_id": request_id, "text": text}))
    async with client.post("/api/chat/messages", data=body, headers=JSON) as response:
        assert response.status == status, await response.text()
        return await response.json()


async def count(service: Service, table: Any) -> int:
    """Return the number of rows."""
    query = select(func.count()).select_from(table)
    return int(await service.services.db.read(lambda conn: conn.execute(query).scalar_one()))


async def test_message_becomes_an_answered_run(page: Client, until: Call) -> None:
    """What is typed is run in the page's lane, and the answer is shown as safe HTML."""
    asked = await say(page, "r-1", "  say **bold** <img>  ")
    await until(asked["run_id"], "succeeded")
    chat = await get(page, "/api/chat")
    assert chat["conversation"]["title"] == "say **bold** <img>"
    assert chat["runs"][0]["prompt"] == "say **bold** <img>"
    assert chat["runs"][0]["answer_html"] == "<p><strong>bold</strong> &lt;img&gt;</p>"


async def test_message_sent_often_is_one_run(service: Service, page: Client, until: Call) -> None:
    """The same request id is one run and one line in the audit, however often it is sent."""
    answers = [await say(page, "r-1", "say x") for _ in range(3)]
    await until(answers[0]["run_id"], "succeeded")
    answers.append(await say(page, "r-1", "say x"))
    assert [answer["created"] for answer in answers] == [True, False, False, False]
    assert len({answer["run_id"] for answer in answers}) == 1
    assert await count(service, runs) == 1
    rows = await service.services.db.read(
        lambda conn: conn.execute(select(audit.c.who, audit.c.action, audit.c.subject)).all()
    )
    assert ("page", "chat.message", answers[0]["run_id"]) in [tuple(row) for row in rows]
    assert [row.action for row in rows].count("chat.message") == 1


async def test_request_id_for_another_text_is_a_conflict(page: Client) -> None:
    """Two different wishes must not become one silently."""
    await say(page, "r-1", "say x")
    assert "used for something else" in (await say(page, "r-1", "say y", 409))["error"]


@pytest.mark.parametrize("text", ["", "  \n\t ", "\x00"])
async def test_empty_message_is_bad_input(service: Service, page: Client, text: str) -> None:
    """Nothing is stored for it."""
    assert (await say(page, "r-1", text, 400))["error"] == "The message is empty."
    assert await count(service, runs) == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x" * (MAX_TEXT_BYTES + 1), id="one too many"),
        pytest.param("ä" * (MAX_TEXT_BYTES // 2 + 1), id="in bytes"),
        pytest.param("x" * 2_000_000, id="far too many"),
    ],
)
async def test_message_beyond_the_bound_is_too_large(service: Service, page: Client, text: str) -> None:
    """413 in the one shape, and nothing is stored; at the bound it is taken."""
    assert (await say(page, "r-1", text, 413))["success"] is False
    assert await count(service, runs) == 0
    await say(page, "r-2", "x" * MAX_TEXT_BYTES)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"request_id": "r", "text": 5}',
        b'{"request_id": "", "text": "x"}',
        b'{"request_id": "a b", "text": "x"}',
        b'{"request_id": "r", "text": "\\ud800"}',
    ],
)
async def test_message_of_another_form_is_refused(service: Service, page: Client, body: bytes) -> None:
    """A body that cannot be meant is a 422 that names the field, never a 500."""
    async with page.post("/api/chat/messages", data=body, headers=JSON) as response:
        assert response.status == 422
        assert (await response.json())["error"].startswith("body")
    assert await count(service, runs) == 0


async def test_new_conversation_leaves_the_old_one_in_the_history(
    service: Service, page: Client, ask: Call, until: Call
) -> None:
    """Begun twice it is one; the old one is listed after it and can still be read."""
    await until(await ask("say first"), "succeeded")
    old = (await get(page, "/api/chat"))["conversation"]["id"]
    begun = []
    for _ in range(2):
        async with page.post("/api/chat/new") as response:
            begun.append((await response.json())["id"])
    assert begun[0] == begun[1] != old
    assert (await get(page, "/api/chat"))["runs"] == []
    await until(await ask("say second"), "succeeded")
    history = await get(page, "/api/chat/conversations?per_page=1&page=2")
    assert [one["id"] for one in history["conversations"]] == [old]
    assert history["pagination"]["total"] == 2
    shown = await get(page, f"/api/chat/conversations/{old}")
    assert [run["prompt"] for run in shown["runs"]] == ["say first"]
    assert shown["conversation"]["is_current"] is False


async def test_conversation_of_another_lane_is_not_shown(
    service: Service, page: Client, ask: Call, until: Call
) -> None:
    """The page shows its own chat only."""
    await until(await ask("say x"), "succeeded")
    mine = (await get(page, "/api/chat"))["conversation"]["id"]
    asker = service.services.asker
    other = await service.services.db.write(lambda conn: asker.begin(conn, "telegram:7:8:0", "telegram", 1))
    await get(page, f"/api/chat/conversations/{other.id}", 404)
    listed = (await get(page, "/api/chat/conversations"))["conversations"]
    assert [one["id"] for one in listed] == [mine]


async def test_failure_is_explained_and_what_was_said_is_kept(page: Client, ask: Call, until: Call) -> None:
    """The reason stands apart from the agent's own words."""
    run_id = await ask("say half of it; fail out of **luck**")
    await until(run_id, "failed")
    run = (await get(page, "/api/chat"))["runs"][0]
    assert run["reason_html"] == "<p>out of <strong>luck</strong></p>"
    assert run["answer_html"] == "<p>half of it</p>"


async def test_long_answer_is_cut_and_says_so(page: Client, ask: Call, until: Call) -> None:
    """The chat stays light; the run's own route has all of it."""
    run_id = await ask("echo " + "word " * (SHOWN_CHARS // 5 + 100))
    whole = await until(run_id, "succeeded")
    run = (await get(page, "/api/chat"))["runs"][0]
    assert run["answer_cut"] is run["prompt_cut"] is True
    assert len(run["answer_html"]) < SHOWN_CHARS + 100 < len(whole["output"])


async def test_waiting_runs_know_their_place_and_a_stop_is_seen(
    page: Client, agent: ScriptedAgent, ask: Call, until: Call
) -> None:
    """Before its agent has ended, a run that is being stopped says so."""
    first = await ask(f"stubborn; {agent.gate('go')}")
    await ask("say b")
    await ask("say c")
    await until(first, "running")
    assert [run["place"] for run in (await get(page, "/api/chat"))["runs"]] == [0, 1, 2]
    async with page.post(f"/api/runs/{first}/cancel") as response:
        assert response.status == 202
    assert (await get(page, "/api/chat"))["runs"][0]["stopping"] is True
    agent.open_gate("go")
    await until(first, "cancelled")


async def test_chat_reads_as_often_for_many_runs_as_for_one(
    service: Service, page: Client, ask: Call, until: Call
) -> None:
    """One statement for all runs of a conversation: no query per run."""
    await until(await ask("say 0"), "succeeded")
    with _statements(service) as for_one:
        await get(page, "/api/chat")
    for number in range(12):
        last = await ask(f"say {number}")
    await until(last, "succeeded")
    with _statements(service) as for_many:
        chat = await get(page, "/api/chat?limit=10")
    assert (len(chat["runs"]), chat["earlier"]) == (10, True)
    assert len(for_one) == len(for_many) < 10


@contextmanager
def _statements(service: Service) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: Any) -> None:
        seen.append(statement)

    engine: Any = service.services.db._engine  # type: ignore[attr-defined] # of the SQLite database
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_pairing_code_needs_a_bot(page: Client) -> None:
    """Without one there is nobody to send it to."""
    async with page.post("/api/chat/pairing-code") as response:
        assert response.status == 404
