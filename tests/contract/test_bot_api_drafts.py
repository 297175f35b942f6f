"""Drafts and rich messages as the Bot API server plays them: their life, their button, their limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from wireroom.testing.bot_api import BotAPIServer, Chat
from wireroom.testing.bot_api.rich import MAX_BLOCKS, MAX_CHARACTERS, MAX_COLUMNS, MAX_DEPTH


class PlayedClock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


@pytest.fixture
def clock() -> PlayedClock:
    """Give the clock by which drafts grow old."""
    return PlayedClock()


@pytest.fixture
async def telegram(clock: PlayedClock) -> AsyncIterator[BotAPIServer]:
    """Give a started server."""
    async with BotAPIServer(draft_clock=clock) as server:
        yield server


@pytest.fixture
def ada(telegram: BotAPIServer) -> Chat:
    """Give a private chat."""
    return telegram.private_chat(telegram.user(7, "Ada"))


async def _ask(telegram: BotAPIServer, method: str, **params: Any) -> str:
    """Call a method and return "" or its refusal."""
    url = f"{telegram.url}/bot{telegram.token}/{method}"
    async with aiohttp.ClientSession() as http, http.post(url, json={"chat_id": 7, **params}) as response:
        return str((await response.json()).get("description", ""))


async def test_a_draft_lives_for_thirty_seconds_after_it_was_last_sent(
    telegram: BotAPIServer, clock: PlayedClock, ada: Chat
) -> None:
    """A draft of the same id replaces it and begins the time anew; another id stands beside it."""
    await _ask(telegram, "sendMessageDraft", draft_id=1, text="one")
    clock.seconds = 20
    await _ask(telegram, "sendMessageDraft", draft_id=1, text="one two")
    await _ask(telegram, "sendMessageDraft", draft_id=2)
    assert [(draft.draft_id, draft.text) for draft in telegram.drafts(ada)] == [(1, "one two"), (2, "")]
    clock.seconds = 49.9
    assert len(telegram.drafts(ada)) == 2
    clock.seconds = 50
    assert telegram.drafts(ada) == []


async def test_a_message_of_the_bot_ends_the_drafts_of_its_thread(telegram: BotAPIServer, ada: Chat) -> None:
    """Neither an edit nor a person's message does, nor a message in another thread."""
    thread = telegram.topic(ada, "other")
    await _ask(telegram, "sendMessage", text="placeholder")
    await _ask(telegram, "sendMessageDraft", draft_id=1, text="here")
    await _ask(telegram, "sendMessageDraft", draft_id=1, text="there", message_thread_id=thread)
    await telegram.user_says(ada, "and?")
    placed = telegram.visible(ada)[0].id
    await _ask(telegram, "editMessageText", message_id=placed, text="edited")
    assert [draft.text for draft in telegram.drafts(ada)] == ["here", "there"]
    await _ask(telegram, "sendMessage", text="the answer")
    assert [draft.text for draft in telegram.drafts(ada)] == ["there"]


async def test_a_draft_is_stopped_by_its_button_alone(telegram: BotAPIServer, ada: Chat) -> None:
    """Without `can_stop` there is none; without `keep_on_stop` the draft goes with the press."""
    await _ask(telegram, "sendMessageDraft", draft_id=1, text="x")
    with pytest.raises(LookupError):
        await telegram.user_stops(telegram.drafts(ada)[0])
    await _ask(telegram, "sendMessageDraft", draft_id=1, text="x", can_stop=True)
    update_id = await telegram.user_stops(telegram.drafts(ada)[0])
    told = telegram.update(update_id)["stopped_message_generation"]
    assert (told["chat"]["id"], told["draft_id"]) == (7, 1)
    assert telegram.drafts(ada) == []


def _nested(depth: int) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "paragraph", "text": "x"}
    for _ in range(depth - 2):
        block = {"type": "blockquote", "blocks": [block]}
    return block


def _table(columns: int) -> dict[str, Any]:
    return {"type": "table", "cells": [[{"text": "x", "align": "left", "valign": "top"}] * columns]}


@pytest.mark.parametrize(
    ("blocks", "problem"),
    [
        ([{"type": "paragraph", "text": "x" * MAX_CHARACTERS}], ""),
        ([{"type": "paragraph", "text": "x" * (MAX_CHARACTERS + 1)}], "too long"),
        ([{"type": "divider"}] * (MAX_BLOCKS - 1) + [{"type": "paragraph", "text": "x"}], ""),
        ([{"type": "divider"}] * MAX_BLOCKS + [{"type": "paragraph", "text": "x"}], "BLOCKS_TOO_MUCH"),
        ([_nested(MAX_DEPTH)], ""),
        ([_nested(MAX_DEPTH + 1)], "TOO_DEEP"),
        ([_table(MAX_COLUMNS)], ""),
        ([_table(MAX_COLUMNS + 1)], "TOO_WIDE"),
        ([{"type": "thinking", "text": "x"}], "drafts only"),
        ([{"type": "heading", "size": 7, "text": "x"}], "heading size"),
        ([{"type": "marquee", "text": "x"}], "unsupported type"),
        ([{"type": "paragraph", "text": " "}], "text is empty"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0]["type"],
)
async def test_rich_messages_keep_the_documented_limits(
    telegram: BotAPIServer, ada: Chat, blocks: list[dict[str, Any]], problem: str
) -> None:
    """What is at a limit stands in the chat, what is beyond it is refused and changes nothing."""
    said = await _ask(telegram, "sendRichMessage", rich_message={"blocks": blocks})
    assert problem in said
    assert bool(said) is bool(problem)
    assert len(telegram.visible(ada)) == (not problem)
