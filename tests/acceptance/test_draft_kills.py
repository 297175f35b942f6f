"""`kill -9` while an answer takes the place of a draft: after a restart it stands once, and alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from chats import all_answered, ask, assert_each_once
from installation import installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import When
from wireroom.testing.eventually import eventually

POINTS = {
    "new placeholder shown, service not told": ("sendMessage", When.AFTER),
    "answer arrived, not shown": ("editMessageText", When.BEFORE),
    "old placeholder not deleted": ("deleteMessage", When.BEFORE),
    "old placeholder deleted, service not told": ("deleteMessage", When.AFTER),
}


@pytest.mark.parametrize("point", POINTS)
async def test_kill_while_an_answer_replaces_a_draft_leaves_one_message(tmp_path: Path, point: str) -> None:
    """Wherever the program dies, Ada reads her answer in one message, and no placeholder stays."""
    method, when = POINTS[point]
    async with BotAPIServer() as telegram, installed(tmp_path, telegram, by="webhook") as service:
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        await service.start(forked=True)
        asked = await ask(telegram, ada, "token-1", f"say half; {service.agent.gate('work')}")
        await eventually(lambda: telegram.drafts(ada), "a draft is seen")
        await eventually(lambda: telegram.answers_to(asked.message_id, ada)[0].buttons, "it can be stopped")
        hold = telegram.hold(method, when, chat=ada)
        service.agent.open_gate("work")
        await hold.reached()
        await service.kill()
        hold.release(drop=True)
        await service.start(forked=True)
        await all_answered(telegram, [asked], 20)
        assert_each_once(telegram, [asked])
        assert service.agent.ledger.ends().total() >= 1
