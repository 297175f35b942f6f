"""How fast we may send: the flood rules of the Bot API as one value that is asked before each call.

Pure: time comes in as an argument. Whoever is refused waits as long as it is told and asks again; a refused
question reserves nothing but its place before later messages of its chat. What is known of the bot and of its
chats are plain values, so that one process keeps them in memory (`delivery.permits`) and many share them
(`delivery.shared_permits`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

Kind = Literal["send", "edit", "progress"]
"""What a call does: make a message, edit one into its answer, or show progress in one."""

NEVER = -1e9
"""Seconds long before any clock of ours; finite, so that JSON carries it."""
_GLANCE_SECONDS = 0.1
"""Until one asks again who waits only for somebody else's call, or question."""


@dataclass(frozen=True, slots=True)
class LaneRules:
    """The limits; the defaults are Telegram's. Source: Bots FAQ, "My bot is hitting limits"."""

    chat_spacing_seconds: float = 1.0
    """Between two sends to one chat."""
    edit_spacing_seconds: float = 1.0
    """Between two edits in one chat."""
    group_edit_spacing_seconds: float = 3.0
    """Between two edits in one group.

    Telegram publishes no limit for edits. A group gets the same 20 a minute as for sends, evenly spaced, so
    that the edit that carries an answer never waits long behind a burst of progress.
    """
    overall_limit: int = 30
    overall_window_seconds: float = 1.0
    group_limit: int = 20
    group_window_seconds: float = 60.0
    call_seconds: float = 0.0
    """How long a send that was permitted may take until it counts, unless `settle` says that it has.

    0: it counts from its permit on. Of several processes the later permit's call may arrive first, so there a
    send counts from its end, and one whose process died from so many seconds after its permit.
    """
    place_seconds: float = 10.0
    """How long a message that was told to come again keeps its place if it does not come; it may be gone."""
    refused_chats: int = 3
    """So many chats refused within `refused_seconds` mean that the bot as a whole is refused."""
    refused_seconds: float = 5.0


class ChatClock(msgspec.Struct, omit_defaults=True):
    """What one chat did lately; times are those of the permits given, and of the ends of its sends."""

    last_send: float = NEVER
    last_edit: float = NEVER
    last_progress: float = NEVER
    closed_until: float = NEVER
    """The end of a flood wait."""
    first: int = 0
    """The earliest message that was refused and has not been sent; none of the chat overtakes it."""
    first_at: float = NEVER
    """When it comes again."""
    sending: float = NEVER
    """The permit of a send that has not been settled."""
    sends: list[float] = []
    """A group's latest sends, at most `group_limit`."""


class BotClock(msgspec.Struct, omit_defaults=True):
    """What the bot did lately, in all its chats."""

    calls: list[float] = []
    """What counts against the overall limit, oldest first, at most `overall_limit`."""
    sending: list[tuple[float, int]] = []
    """Permit and chat of each send that has not been settled."""
    last_turn: float = NEVER
    closed_until: float = NEVER
    """The end of a flood wait of the bot as a whole."""
    refusals: list[tuple[float, int, float]] = []
    """When which chat was refused, and until when; the latest few."""


class Lanes:
    """Permits for one bot. One chat's flood or haste never changes what another chat is told.

    Not for two threads at once. Remembers a chat only while a rule still holds it back: never more chats
    than had a permit, a place or a flood wait within the longest window.
    """

    def __init__(
        self,
        rules: LaneRules | None = None,
        *,
        bot: BotClock | None = None,
        chats: Mapping[int, ChatClock] | None = None,
    ) -> None:
        """Go on from what is known, by default nothing."""
        self._rules = rules or LaneRules()
        self.bot = bot or BotClock()
        # Least recently changed first, so that the idle ones are found at the front.
        self.chats: OrderedDict[int, ChatClock] = OrderedDict(chats or {})

    def ask(self, now: float, chat_id: int, kind: Kind, number: int | None = None) -> float:
        """Return 0 and take the permit, or return the seconds (> 0) to wait before asking again.

        Args:
            now: Seconds of a steady clock, never less than at an earlier call.
            chat_id: Negative for groups, supergroups and channels.
            kind: Progress waits for answers and for progress; an answer does not wait for progress.
            number: Of the message to send; a lower one goes first. None: it has no place among others.
        """
        ready_at = self._chat_ready_at(now, chat_id, kind)
        if kind == "send" and number is not None:
            ready_at = max(ready_at, self._behind_first(now, chat_id, number))
        if now >= ready_at:
            if now >= (ready_at := self._overall_ready_at(now)):
                self._take(now, chat_id, kind, number)
                return 0.0
            # Progress is replaced by newer progress, so it needs no turn.
            ready_at = ready_at if kind == "progress" else self._next_turn(now)
        if kind == "send" and number is not None:
            self._keep_place(now, chat_id, number, ready_at)
        return ready_at - now

    def stand_back(self, now: float, chat_id: int, number: int, seconds: float) -> None:
        """Keep the message's place before later ones of its chat, for one that does not even ask now."""
        self._keep_place(now, chat_id, number, now + seconds)

    def settle(self, now: float, chat_id: int) -> None:
        """Note that the chat's send has ended, so that it counts from now on; see `call_seconds`."""
        chat = self.chats.get(chat_id)
        if chat is None or chat.sending == NEVER:
            return
        permit, chat.sending = chat.sending, NEVER
        chat.last_send = now
        if chat.sends:
            chat.sends[-1] = now
        if (permit, chat_id) in self.bot.sending:
            self.bot.sending.remove((permit, chat_id))
            self._count(now)

    def overall_wait(self, now: float) -> float:
        """Return 0 while the overall limit leaves room, else the seconds until the asker's turn.

        Takes no permit. It spares the look-up of a message that cannot be sent now, whatever its chat: with
        a thousand chats waiting that look-up is most of the work.
        """
        return self._next_turn(now) - now if now < self._overall_ready_at(now) else 0.0

    def seconds_to_permits(self, now: float, count: int) -> float:
        """Return 0 while there is room for `count`, the limit at most, else how long not. Changes nothing."""
        return max(0.0, self._overall_ready_at(now, min(count, self._rules.overall_limit)) - now)

    def permits(self, now: float) -> int:
        """Return how many permits the overall limit would give now."""
        if now < self.bot.closed_until:
            return 0
        window = self._rules.overall_window_seconds
        counted = sum(at + window > now for at in self.bot.calls) + len(self._under_way(now))
        return max(0, self._rules.overall_limit - counted)

    def flood(self, now: float, chat_id: int, retry_after: float) -> None:
        """Close this chat for `retry_after` seconds from now; and all, if too many chats are refused at once.

        Telegram does not say whose limit was reached. One chat's is that chat's affair; several at once, each
        within its own limits, are the bot's.
        """
        until = now + retry_after
        chat = self._touch(now, chat_id)
        chat.closed_until = max(chat.closed_until, until)
        rules, bot = self._rules, self.bot
        recent = [one for one in bot.refusals if one[0] + rules.refused_seconds > now and one[1] != chat_id]
        bot.refusals = [*recent, (now, chat_id, until)][-rules.refused_chats :]
        if len(bot.refusals) == rules.refused_chats:
            bot.closed_until = max(bot.closed_until, min(end for _, _, end in bot.refusals))

    def idle_at(self, chat_id: int) -> float:
        """Return when no rule will hold the chat back any more, for anything."""
        chat, rules = self.chats.get(chat_id), self._rules
        if chat is None:
            return NEVER
        last = max(chat.last_edit, chat.last_progress)
        group = chat.sends[-1] + rules.group_window_seconds if chat.sends else NEVER
        sent = max(chat.last_send, chat.sending + rules.call_seconds) + rules.chat_spacing_seconds
        place = chat.first_at + rules.place_seconds
        return max(chat.closed_until, place, sent, last + self._edit_spacing(chat_id), group)

    def __len__(self) -> int:
        """Return how many chats are remembered."""
        return len(self.chats)

    def _chat_ready_at(self, now: float, chat_id: int, kind: Kind) -> float:
        chat = self.chats.get(chat_id)
        if chat is None:
            return NEVER
        if kind == "progress":
            last = max(chat.last_edit, chat.last_progress)
            return max(chat.closed_until, last + self._edit_spacing(chat_id))
        if kind == "edit":
            return max(chat.closed_until, chat.last_edit + self._edit_spacing(chat_id))
        ready_at = max(chat.closed_until, chat.last_send + self._rules.chat_spacing_seconds)
        if len(chat.sends) >= self._rules.group_limit:
            ready_at = max(ready_at, chat.sends[-self._rules.group_limit] + self._rules.group_window_seconds)
        if now < chat.sending + self._rules.call_seconds + self._rules.chat_spacing_seconds:
            ready_at = max(ready_at, now + _GLANCE_SECONDS)
        return ready_at

    def _behind_first(self, now: float, chat_id: int, number: int) -> float:
        """Return when to come for a message that must not overtake the first; past if it need not wait."""
        chat = self.chats.get(chat_id)
        if chat is None or number <= chat.first or now >= chat.first_at + self._rules.place_seconds:
            return NEVER
        return max(chat.first_at, now + _GLANCE_SECONDS)

    def _keep_place(self, now: float, chat_id: int, number: int, ready_at: float) -> None:
        chat = self._touch(now, chat_id)
        is_gone = now >= chat.first_at + self._rules.place_seconds
        if is_gone or number <= chat.first:
            chat.first, chat.first_at = number, ready_at

    def _next_turn(self, now: float) -> float:
        """Return when to ask again while the overall limit is used up: each who asks a later time.

        All at the same time would mean that of a thousand waiting chats thirty are served and the others
        have asked in vain, every second. A turn is no permit: it only spreads the questions.
        """
        spacing = self._rules.overall_window_seconds / self._rules.overall_limit
        self.bot.last_turn = max(self.bot.last_turn + spacing, self._overall_ready_at(now), now)
        return self.bot.last_turn

    def _overall_ready_at(self, now: float, count: int = 1) -> float:
        """Return when the overall limit leaves room for `count`, as far as is known; past if it does now."""
        calls, under_way = self.bot.calls, self._under_way(now)
        room = self._rules.overall_limit - len(under_way) - (count - 1)
        if len(calls) < room:
            return self.bot.closed_until
        window = self._rules.overall_window_seconds
        ready_at = calls[-room] + window if room > 0 else float("inf")
        if under_way and now < ready_at:
            ready_at = min(ready_at, max(under_way[0] + window, now + _GLANCE_SECONDS))
        return max(self.bot.closed_until, ready_at)

    def _under_way(self, now: float) -> list[float]:
        """Return the permits of sends that may still arrive, or have within the window, oldest first."""
        lasts = self._rules.overall_window_seconds + self._rules.call_seconds
        return [at for at, _ in self.bot.sending if now < at + lasts] if self.bot.sending else []

    def _edit_spacing(self, chat_id: int) -> float:
        return self._rules.group_edit_spacing_seconds if chat_id < 0 else self._rules.edit_spacing_seconds

    def _take(self, now: float, chat_id: int, kind: Kind, number: int | None) -> None:
        chat = self._touch(now, chat_id)
        if kind == "send":
            self._take_send(now, chat_id, chat)
            if number == chat.first:
                chat.first_at = NEVER
            return
        self._count(now)
        if kind == "edit":
            chat.last_edit = now
        else:
            chat.last_progress = now

    def _take_send(self, now: float, chat_id: int, chat: ChatClock) -> None:
        chat.last_send = now
        if chat_id < 0:
            chat.sends = [*chat.sends, now][-self._rules.group_limit :]
        if not self._rules.call_seconds:
            self._count(now)
            return
        chat.sending = now
        alive = now - self._rules.call_seconds - self._rules.overall_window_seconds
        self.bot.sending = [*(one for one in self.bot.sending if one[0] > alive), (now, chat_id)]

    def _count(self, now: float) -> None:
        calls = self.bot.calls
        calls.append(now)
        if len(calls) > self._rules.overall_limit:
            del calls[0]

    def _touch(self, now: float, chat_id: int) -> ChatClock:
        """Return the chat's record, newest in the order, after forgetting up to two idle chats.

        Two forgotten for each one remembered keeps the record as small as the work that is still held back.
        """
        for _ in range(min(2, len(self.chats))):
            oldest = next(iter(self.chats))
            if self._is_idle(now, oldest):
                del self.chats[oldest]
            else:
                self.chats.move_to_end(oldest)
        chat = self.chats.setdefault(chat_id, ChatClock())
        self.chats.move_to_end(chat_id)
        return chat

    def _is_idle(self, now: float, chat_id: int) -> bool:
        return now >= self.idle_at(chat_id)
