"""One update, one effect: however often it comes, and by whichever way."""

from __future__ import annotations

from pathlib import Path

import pytest
from chats import Asked, all_answered, assert_each_once, told
from installation import installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat
from wireroom.testing.eventually import eventually


async def say(telegram: BotAPIServer, chat: Chat, token: str) -> tuple[int, Asked]:
    """Let the chat's person ask; return the update's id with the question."""
    update_id = await telegram.user_says(chat, f"Please repeat {token}.")
    return update_id, Asked(chat, telegram.message_id_of(update_id), token)


async def assert_nothing_more_comes(telegram: BotAPIServer, asked: Asked) -> None:
    """Raise AssertionError unless the question had one answer, and still has once a later one is answered."""
    fence = await told(telegram, asked.chat, "Please repeat fence.", "fence")
    assert fence.reply_to is not None
    assert_each_once(telegram, [asked, Asked(asked.chat, fence.reply_to, "fence")])


async def test_same_update_five_times_at_once_is_one_run(tmp_path: Path) -> None:
    """Five simultaneous deliveries are all acknowledged, and one agent is started."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        await service.start(forked=True)
        ada = telegram.private_chat(telegram.user(7))
        await eventually(lambda: telegram.webhook["url"], "the webhook is set")
        update_id, asked = await say(telegram, ada, "token-1")
        assert await telegram.push_raw(telegram.update(update_id), 5, at_once=True) == [200] * 5
        await all_answered(telegram, [asked], 10)
        await assert_nothing_more_comes(telegram, asked)
        assert service.agent.ledger.starts()["Please repeat token-1."] == 1


async def test_update_replayed_after_a_restart_is_one_run(tmp_path: Path) -> None:
    """An update that was handled in an earlier life is recognised, and acknowledged again."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram) as service:
        await service.start(forked=True)
        ada = telegram.private_chat(telegram.user(7))
        update_id, asked = await say(telegram, ada, "token-1")
        await all_answered(telegram, [asked], 10)
        await service.kill()
        await service.start(forked=True)
        assert await telegram.push_raw(telegram.update(update_id), 3) == [200] * 3
        await assert_nothing_more_comes(telegram, asked)
        assert service.agent.ledger.starts()["Please repeat token-1."] == 1


@pytest.mark.parametrize(("first", "then"), [("webhook", "polling"), ("polling", "webhook")])
async def test_update_that_comes_by_both_ways_is_one_run(tmp_path: Path, first: str, then: str) -> None:
    """An update taken by webhook and fetched again by polling, or the other way round, is one update."""
    async with BotAPIServer() as telegram, installed(tmp_path, telegram, by=first) as service:
        await service.start(forked=True)
        ada = telegram.private_chat(telegram.user(7))
        update_id, asked = await say(telegram, ada, "token-1")
        await all_answered(telegram, [asked], 10)
        await service.kill()
        service.come_by(then)
        if then == "polling":
            assert (await service.command("telegram", "delete-webhook")).code == 0
            await telegram.push_raw(telegram.update(update_id))
        await service.start(forked=True)
        if then == "webhook":
            await told(telegram, ada, "/status", "online")
            assert await telegram.push_raw(telegram.update(update_id)) == [200]
        await told(telegram, ada, "Please repeat fence.", "fence")
        assert service.agent.ledger.starts() == {"Please repeat token-1.": 1, "Please repeat fence.": 1}
