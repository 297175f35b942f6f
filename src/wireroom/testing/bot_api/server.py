"""The server as a test holds it: start, play people, set faults, look at the screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wireroom.testing.bot_api.calls import Call, CallRunner, OnCall
from wireroom.testing.bot_api.control import Control
from wireroom.testing.bot_api.drafts import SeenDraft
from wireroom.testing.bot_api.faults import Fault, FaultRule, Hold, Scope, When
from wireroom.testing.bot_api.feed import UpdateFeed
from wireroom.testing.bot_api.model import Change, Chat, Message, Person, Sighting
from wireroom.testing.bot_api.people import ChatRef
from wireroom.testing.bot_api.people_groups import PeopleInGroups
from wireroom.testing.bot_api.privacy import is_hidden
from wireroom.testing.bot_api.transport import Transport
from wireroom.testing.bot_api.view import SeenMessage, look_at
from wireroom.testing.bot_api.webhook import Redelivery
from wireroom.testing.bot_api.world import World

DEFAULT_TOKEN = "123456:test-token"  # noqa: S105  opens nothing but this server


class BotAPIServer(PeopleInGroups):
    """A Telegram Bot API server on loopback, for one bot; `another_bot` plays more at the same address.

    async with BotAPIServer() as telegram:
        ada = telegram.private_chat(telegram.user(7, "Ada"))
        await telegram.user_says(ada, "hello")
        # ... run a bot against telegram.url and telegram.token ...
        assert [message.text for message in telegram.visible(ada)] == ["hello", "hello yourself"]
    """

    def __init__(
        self,
        token: str = DEFAULT_TOKEN,
        *,
        port: int = 0,
        username: str = "wireroom_test_bot",
        enforce_flood: bool = False,
        redelivery: Redelivery | None = None,
        control: bool = False,
        keep_calls: int = 100_000,
        local_folder: Path | None = None,
        draft_clock: Callable[[], float] = time.monotonic,
        privacy: bool = False,
        private_topics: bool = False,
    ) -> None:
        """Prepare; `async with` starts it and closes everything at the end.

        Args:
            token: Starts with the bot's numeric id and a colon.
            port: Where to listen on 127.0.0.1; 0 lets the system choose.
            username: What people call the bot by.
            enforce_flood: Answer 429 beyond the limits that Telegram states for messages.
            redelivery: When failed webhook deliveries are tried again; soon, by default.
            control: Also answer /_control/..., through which another process can act for people.
            keep_calls: How many of the last calls `calls` remembers.
            local_folder: Behave as a server in its local mode: files of any size lie in this folder, and
                getFile answers their absolute paths.
            draft_clock: Seconds, by which drafts grow old; a test may play it.
            privacy: Put the bot into privacy mode: in groups it is told of little but what names it.
            private_topics: Let the bot's private chats have topics.
        """
        bot = Person(int(token.partition(":")[0]), "Wireroom", username, is_bot=True)
        super().__init__(World(bot, draft_clock), UpdateFeed(redelivery or Redelivery()))
        self._world.local_folder = local_folder
        self._world.has_privacy, self._world.private_topics = privacy, private_topics
        if privacy:
            self._feed.hides = self._hides
        self.token = token
        self.bot = bot
        self._runner = CallRunner(self._world, self._feed, enforce_flood=enforce_flood, keep_calls=keep_calls)
        handler = Control(self).handle if control else None
        self._transport = Transport(token, self._runner, handler)
        self._wanted_port = port
        self._port: int | None = None
        self._others: list[BotAPIServer] = []

    def _hides(self, payload: dict[str, Any]) -> bool:
        """Tell whether the bot is not told of the message; an administrator is told of all."""
        place = self._world.chats[payload["chat"]["id"]]
        is_administrator = place.forum and place.bot_manages_topics
        return not is_administrator and is_hidden(self.bot, payload)

    async def __aenter__(self) -> Self:
        await self._feed.open()
        try:
            self._port = await self._transport.open(self._wanted_port)
        except BaseException:
            await self._feed.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self, *self._others):
            await one.fall_silent()
        await self._transport.close()

    async def fall_silent(self) -> None:
        """Play the bot no longer; the address goes on."""
        self._runner.close()
        await self._feed.close()

    async def another_bot(self, token: str, username: str) -> BotAPIServer:
        """Play one more bot at this address, with chats of its own, until this server ends.

        As at Telegram, the same person has the same number with each of them, and another chat.
        """
        other = BotAPIServer(token, username=username)
        await other._feed.open()
        other._port = self._port
        self._transport.add(token, other._runner)
        self._others.append(other)
        return other

    @property
    def url(self) -> str:
        """The base URL, such as http://127.0.0.1:40123, for use as TELEGRAM_API_URL.

        Raises:
            RuntimeError: the server is not started.
        """
        if self._port is None:
            raise RuntimeError("the server is not started; use it with `async with`")
        return f"http://127.0.0.1:{self._port}"

    # What is seen

    def visible(self, chat: ChatRef, thread: int | None = None) -> list[SeenMessage]:
        """Return the messages that stand in the chat now, oldest first; `thread` picks one topic."""
        return [
            look_at(message)
            for message in self._place(chat).messages.values()
            if thread is None or message.thread == thread
        ]

    def message(self, chat: ChatRef, message_id: int) -> SeenMessage:
        """Return one message as it is seen now.

        Raises:
            KeyError: it never was, or it was deleted.
        """
        return look_at(self._place(chat).messages[message_id])

    def drafts(self, chat: ChatRef) -> list[SeenDraft]:
        """Return the partial messages that are seen in the chat now."""
        return self._place(chat).drafts.visible(self._world.draft_clock())

    def bot_says(self, chat: ChatRef) -> list[str]:
        """Return what a person can read of the bot now: its messages, oldest first, then its drafts."""
        stands = [message.text for message in self.visible(chat) if message.from_bot]
        return [*stands, *(draft.text for draft in self.drafts(chat))]

    def answers_to(self, message_id: int, chat: ChatRef | None = None) -> list[SeenMessage]:
        """Return what the bot replied to a message and still stands, oldest first.

        Args:
            message_id: What was answered.
            chat: Needed when several chats have a message of this id, as supergroups do.
        """
        places = self._world.chats.values() if chat is None else [self._place(chat)]
        return [look_at(message) for place in places for message in _replies(place, message_id)]

    def sightings(self, chat: ChatRef) -> list[Sighting]:
        """Return all that ever happened in the chat, in order."""
        return list(self._place(chat).sightings)

    def seen_texts(self, chat: ChatRef) -> list[str]:
        """Return every text that was ever shown, in order: as sent, after each edit, and drafts."""
        return [one.text for one in self._place(chat).sightings if one.change is not Change.DELETED]

    @property
    def calls(self) -> list[Call]:
        """The calls remembered, oldest first, those under way included."""
        return list(self._runner.log)

    def calls_of(self, method: str, chat: ChatRef | None = None) -> list[Call]:
        """Return the calls of one method, in one chat if given."""
        scope = _scope(method, chat)
        return [call for call in self._runner.log if scope.covers(call.method, call.chat_id)]

    @property
    def callback_answers(self) -> dict[str, dict[str, Any] | None]:
        """By callback query id: None until answered, then {"text": str, "show_alert": bool}."""
        return dict(self._world.callbacks)

    @property
    def commands(self) -> list[dict[str, str]]:
        """The commands last set for everybody: [{"command": str, "description": str}]."""
        return self._world.commands.get("", [])

    @property
    def pending_updates(self) -> int:
        """How many updates wait to be taken or delivered."""
        return len(self._feed.queue.waiting)

    @property
    def webhook(self) -> dict[str, Any]:
        """The answer of getWebhookInfo."""
        return self._feed.sender.info()

    # What goes wrong

    def fault(
        self,
        fault: Fault,
        *,
        method: str | None = None,
        chat: ChatRef | None = None,
        count: int | None = 1,
        for_seconds: float | None = None,
    ) -> FaultRule:
        """Spoil the calls that are meant, until `count` of them or `for_seconds` are over.

        Args:
            fault: See `faults`: `flooded(30)`, `blocked()`, `DropAfter()`, `Slow(2.0)` and others.
            method: None for every method.
            chat: None for every chat, and for calls without one.
            count: None for no limit; the rule's `lift` ends it.
            for_seconds: None for ever.
        """
        until = None if for_seconds is None else time.monotonic() + for_seconds
        return self._runner.faults.add(FaultRule(fault, _scope(method, chat), count, until))

    def lift_faults(self) -> None:
        """End every fault."""
        self._runner.faults.rules.clear()

    def hold(
        self,
        method: str | None = None,
        when: When | str = When.AFTER,
        *,
        chat: ChatRef | None = None,
        timeout_seconds: float = 30.0,
    ) -> Hold:
        """Park the next such call before or after it acts, until `release` or the time is up."""
        hold = Hold(_scope(method, chat), When(when), timeout_seconds)
        self._runner.holds = [one for one in self._runner.holds if not one.is_over]
        self._runner.holds.append(hold)
        return hold

    @property
    def on_call(self) -> OnCall | None:
        """Awaited with (call, When.BEFORE) and (call, When.AFTER); what it raises answers 500."""
        return self._runner.on_call

    @on_call.setter
    def on_call(self, hook: OnCall | None) -> None:
        self._runner.on_call = hook


def _scope(method: str | None, chat: ChatRef | None) -> Scope:
    return Scope(method, chat.id if isinstance(chat, Chat) else chat)


def _replies(chat: Chat, message_id: int) -> Iterator[Message]:
    return (
        message
        for message in chat.messages.values()
        if message.reply_to == message_id and message.sender.is_bot
    )
