"""Two bots in one installation, killed and started again: each answer once, by the bot that was asked."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest
from chats import Asked, all_answered, ask, told
from installation import Installation, installed

from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Change, Chat

_HELPER_TOKEN = "777:helper-token-that-nobody-may-read"
_ADD = "from wireroom.cli.main import main; main()"
_KEY = "a key of forty characters that is no secret"
POINTS = {
    "polling: a placeholder sent, not recorded": "within Sender._place 4",
    "webhook: an answer shown, not recorded": "within Sender._fill 2",
}


async def _added(service: Installation, telegram: BotAPIServer) -> tuple[BotAPIServer, Chat]:
    """Add a bot by the command line, its token typed; return its side and Grace's chat with it."""
    helper = await telegram.another_bot(_HELPER_TOKEN, "helper_bot")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _ADD, "bot", "add", "helper"),
        env=service.environment,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(f"{_HELPER_TOKEN}\n".encode())
    assert (process.returncode, out.decode().splitlines()[0]) == (0, "helper is added, @helper_bot."), err
    code = (await service.command("bot", "pair", "helper")).out.strip()
    grace = helper.private_chat(helper.user(108, "Grace"))
    await told(helper, grace, code, "")
    return helper, grace


def _shown_in(bot: BotAPIServer, asked: Asked) -> set[int]:
    """Return the messages that ever showed the answer."""
    return {
        one.message_id
        for one in bot.sightings(asked.chat)
        if one.sender_id == bot.bot.id
        and one.change not in {Change.DELETED, Change.DRAFT}
        and asked.token in one.text
    }


async def _both_are_answered_once(service: Installation, telegram: BotAPIServer, fault: str) -> BotAPIServer:
    ada = telegram.private_chat(telegram.user(7, "Ada"))
    await service.start(fault, forked=True)
    helper, grace = await _added(service, telegram)
    asked = await ask(telegram, ada, "token-of-ada"), await ask(helper, grace, "token-of-grace")
    if fault:
        await service.died()
        await service.start(forked=True)
    for bot, question in zip((telegram, helper), asked, strict=True):
        await all_answered(bot, [question], 30)
        assert len(bot.answers_to(question.message_id, question.chat)) == 1
        assert len(_shown_in(bot, question)) == 1
    assert _shown_in(telegram, asked[1]) == _shown_in(helper, asked[0]) == set()
    assert _HELPER_TOKEN.partition(":")[2] not in service.log
    listed = await service.command("bot", "list")
    assert ("helper_bot" in listed.out, "at work" in listed.out) == (True, True)
    return helper


@pytest.mark.parametrize("point", POINTS)
async def test_killed_between_two_bots_answers_once_by_each(tmp_path: Path, point: str) -> None:
    """Wherever it dies, both people have one answer, from the bot that they wrote to."""
    way = point.partition(":")[0]
    async with (
        BotAPIServer() as telegram,
        installed(tmp_path, telegram, by=way, WIREROOM_SECRETS_KEY=_KEY) as service,
    ):
        helper = await _both_are_answered_once(service, telegram, POINTS[point])
        pushed_to = service.url + "/telegram/webhook/777" if way == "webhook" else ""
        assert helper.webhook["url"] == pushed_to
        assert (await service.command("bot", "remove", "helper")).code == 0
        assert helper.webhook["url"] == ""
