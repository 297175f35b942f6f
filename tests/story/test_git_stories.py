"""Publishing an agent's work from a chat: seen first, confirmed by a button, done once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from wireroom.app.service import Service
from wireroom.settings import Settings
from wireroom.testing import BotAPIServer
from wireroom.testing.bot_api import Chat, SeenMessage
from wireroom.testing.eventually import eventually
from workspace_repositories import clone, git, make_remote

_ADA = 7


class _Octo:
    """The part of GitHub that opens pull requests."""

    def __init__(self) -> None:
        self.opened: list[dict[str, Any]] = []
        self.app = web.Application()
        self.app.router.add_get("/repos/ada/shop", self._repository)
        self.app.router.add_get("/repos/ada/shop/pulls", self._list)
        self.app.router.add_post("/repos/ada/shop/pulls", self._open)

    async def _repository(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer made-up"
        return web.json_response({"default_branch": "main", "name": "shop"})

    async def _list(self, request: web.Request) -> web.Response:
        wanted = request.query["head"].partition(":")[2]
        return web.json_response([one for one in self.opened if one["head"] == wanted])

    async def _open(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(one["head"] == body["head"] for one in self.opened):
            return web.json_response(
                {"message": "Validation Failed", "errors": [{"message": "there"}]}, status=422
            )
        number = len(self.opened) + 1
        made = {**body, "number": number, "html_url": f"https://github.com/ada/shop/pull/{number}"}
        self.opened.append(made)
        return web.json_response(made, status=201)


class _Story:
    """Ada's chat, about her repository."""

    def __init__(self, telegram: BotAPIServer, remote: Path, shop: Path, github: _Octo) -> None:
        self.telegram = telegram
        self.remote = remote
        self.shop = shop
        self.github = github
        self.chat: Chat = telegram.private_chat(telegram.user(_ADA, "Ada"))

    async def ask(self, text: str, expected: str) -> SeenMessage:
        """Say something and return the answer once it says what is expected."""
        message_id = self.telegram.message_id_of(await self.telegram.user_says(self.chat, text))

        def matching() -> list[SeenMessage]:
            replies = self.telegram.answers_to(message_id, self.chat)
            return [reply for reply in replies if expected in reply.text]

        await eventually(matching, f"{text!r} is answered with {expected!r}", timeout_seconds=15)
        return matching()[0]

    async def press(self, shown: SeenMessage, button: str, expected: str) -> None:
        """Press a button below what was shown and wait for what comes of it."""
        await self.telegram.user_presses(shown.button(button))
        await eventually(lambda: self.count(expected) > 0, f"the chat says {expected!r}", timeout_seconds=15)

    def count(self, words: str) -> int:
        """Return how many of the bot's messages hold the words."""
        return sum(words in one.text for one in self.telegram.visible(self.chat) if one.from_bot)


@pytest.fixture
async def story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_Story]:
    """Run the service with the demo agent, a repository whose remote is called GitHub's, and a token."""
    remote = make_remote(tmp_path / "remote")
    shop = clone(remote, tmp_path / "repositories" / "shop")
    git(shop, "remote", "set-url", "origin", "https://github.com/ada/shop.git")
    config = tmp_path / "gitconfig"
    config.write_text(f'[url "{remote}"]\n\tinsteadOf = https://github.com/ada/shop.git\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "file:https")
    monkeypatch.setenv("GITHUB_TOKEN", "made-up")
    github = _Octo()
    async with BotAPIServer() as telegram, TestServer(github.app) as server:
        settings = Settings(
            data_dir=tmp_path / "data",
            port=0,
            bot_token=SecretStr(telegram.token),
            telegram_api_url=telegram.url,
            allowed_users=(_ADA,),
            backend="demo",
            repositories_path=shop.parent,
            chat_messages_per_second=100,
            github_api_url=str(server.make_url("")),
        )
        async with Service(settings):
            yield _Story(telegram, remote, shop, github)


async def test_work_is_committed_pushed_and_offered_from_a_chat(story: _Story) -> None:
    """Ada has something written, sees what would be committed, and brings it to a pull request."""
    git(story.shop, "switch", "--quiet", "--create", "notes")
    await story.ask("/repo shop", "in shop")
    await story.ask("write hello to notes.txt", "notes.txt")
    look = await story.ask("/commit Add notes", "Commit 1 file on notes?")
    assert "notes.txt +1 -0" in look.text
    assert git(story.shop, "rev-list", "--count", "HEAD") == "1"
    await story.press(look, "✅ Commit", "Committed")
    assert git(story.shop, "log", "-1", "--format=%s") == "Add notes"
    push = await story.ask("/push", "Push notes to origin?")
    await story.press(push, "✅ Push", "Pushed notes.")
    assert git(story.remote, "rev-parse", "refs/heads/notes") == git(story.shop, "rev-parse", "HEAD")
    pull = await story.ask("/pr Have notes", "Open a pull request in ada/shop?")
    await story.press(pull, "✅ Open the pull request", "Pull request 1 is open")
    assert [(one["title"], one["head"], one["base"], one["body"]) for one in story.github.opened] == [
        ("Have notes", "notes", "main", "- Add notes")
    ]


async def test_button_pressed_again_does_nothing_twice(story: _Story) -> None:
    """Ada's phone was slow, so she pressed twice: one commit, one pull request."""
    git(story.shop, "switch", "--quiet", "--create", "notes")
    await story.ask("/repo shop", "in shop")
    await story.ask("write hello to notes.txt", "notes.txt")
    look = await story.ask("/commit", "write hello to notes.txt")
    for times in (1, 2):
        await story.press(look, "✅ Commit", "Committed")
        await eventually(lambda times=times: story.count("Committed") == times, "it is said each time")
    assert git(story.shop, "rev-list", "--count", "HEAD") == "2"
    pull = await story.ask("/pr", "Open a pull request in ada/shop?")
    for times in (1, 2):
        await story.press(pull, "✅ Open the pull request", "is open")
        await eventually(lambda times=times: story.count("is open") == times, "it is said each time")
    assert len(story.github.opened) == 1
    again = await story.ask("/pr", "Its pull request is open")
    assert "https://github.com/ada/shop/pull/1" in again.text


async def test_what_cannot_be_done_is_said_in_words(story: _Story) -> None:
    """Outside of a repository, with nothing changed, or where pull requests go themselves."""
    await story.ask("/commit", "outside of git")
    await story.ask("/repo shop", "in shop")
    await story.ask("/commit", "Nothing has changed since the last commit.")
    await story.ask("/push", "origin has all of main already.")
    await story.ask("/pr", "main is where pull requests go.")
