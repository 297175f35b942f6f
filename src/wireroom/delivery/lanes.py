"""How fast we may send: the flood rules of the Bot API as one value that is asked before each call.

Pure: time comes in as an argument. The sender waits as long as it is told and asks again; nothing is
reserved by a refused question.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["send", "edit", "progress"]
"""What a call does: make a message, edit one into its answer, or show progress in one."""

_NEVER = float("-inf")


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


@dataclass(slots=True)
class _Chat:
    """What one chat did lately; times are those of the permits given."""

    last_send: float = _NEVER
    last_edit: float = _NEVER
    last_progress: float = _NEVER
    closed_until: float = _NEVER
    """The end of a flood wait."""
    sends: deque[float] = field(default_factory=deque)
    """A group's latest sends, at most `group_limit`."""


class Lanes:
    """Permits for one bot. One chat's flood or haste never changes what another chat is told.

    Not for two threads at once. Remembers a chat only while a rule still holds it back: never more chats
    than had a permit or a flood wait within the longest window.
    """

    def __init__(self, rules: LaneRules | None = None) -> None:
        """Start with no history."""
        self._rules = rules or LaneRules()
        self._overall: deque[float] = deque(maxlen=self._rules.overall_limit)
        self._last_turn = _NEVER
        # Least recently changed first, so that the idle ones are found at the front.
        self._chats: OrderedDict[int, _Chat] = OrderedDict()

    def ask(self, now: float, chat_id: int, kind: Kind) -> float:
        """Return 0 and take the permit, or return the seconds (> 0) to wait before asking again.

        Args:
            now: Monotonic seconds, never less than at an earlier call.
            chat_id: Negative for groups, supergroups and channels.
            kind: Progress waits for answers and for progress; an answer does not wait for progress.
        """
        ready_at = self._chat_ready_at(chat_id, kind)
        if now < ready_at:
            return ready_at - now
        if now < self._overall_ready_at():
            return self._next_turn(now) - now
        self._take(now, chat_id, kind)
        return 0.0

    def overall_wait(self, now: float) -> float:
        """Return 0 while the overall limit leaves room, else the seconds until the asker's turn.

        Takes no permit. It spares the look-up of a message that cannot be sent now, whatever its chat: with
        a thousand chats waiting that look-up is most of the work.
        """
        return self._next_turn(now) - now if now < self._overall_ready_at() else 0.0

    def seconds_to_permit(self, now: float) -> float:
        """Return 0 while the overall limit leaves room, else how long it does not. Changes nothing."""
        return max(0.0, self._overall_ready_at() - now)

    def permits(self, now: float) -> int:
        """Return how many permits the overall limit would give now."""
        window = self._rules.overall_window_seconds
        return self._rules.overall_limit - sum(at + window > now for at in self._overall)

    def flood(self, now: float, chat_id: int, retry_after: float) -> None:
        """Close this chat, and no other, for `retry_after` seconds from now."""
        chat = self._touch(now, chat_id)
        chat.closed_until = max(chat.closed_until, now + retry_after)

    def __len__(self) -> int:
        """Return how many chats are remembered."""
        return len(self._chats)

    def _chat_ready_at(self, chat_id: int, kind: Kind) -> float:
        chat = self._chats.get(chat_id)
        if chat is None:
            return _NEVER
        if kind != "send":
            last = chat.last_edit if kind == "edit" else max(chat.last_edit, chat.last_progress)
            return max(chat.closed_until, last + self._edit_spacing(chat_id))
        ready_at = max(chat.closed_until, chat.last_send + self._rules.chat_spacing_seconds)
        if len(chat.sends) == self._rules.group_limit:
            ready_at = max(ready_at, chat.sends[0] + self._rules.group_window_seconds)
        return ready_at

    def _next_turn(self, now: float) -> float:
        """Return when to ask again while the overall limit is used up: each who asks a later time.

        All at the same time would mean that of a thousand waiting chats thirty are served and the others
        have asked in vain, every second. A turn is no permit: it only spreads the questions.
        """
        spacing = self._rules.overall_window_seconds / self._rules.overall_limit
        self._last_turn = max(self._last_turn + spacing, self._overall_ready_at(), now)
        return self._last_turn

    def _overall_ready_at(self) -> float:
        if len(self._overall) < self._rules.overall_limit:
            return _NEVER
        return self._overall[0] + self._rules.overall_window_seconds

    def _edit_spacing(self, chat_id: int) -> float:
        return self._rules.group_edit_spacing_seconds if chat_id < 0 else self._rules.edit_spacing_seconds

    def _take(self, now: float, chat_id: int, kind: Kind) -> None:
        self._overall.append(now)
        chat = self._touch(now, chat_id)
        if kind == "edit":
            chat.last_edit = now
            return
        if kind == "progress":
            chat.last_progress = now
            return
        chat.last_send = now
        if chat_id < 0:
            if len(chat.sends) == self._rules.group_limit:
                chat.sends.popleft()
            chat.sends.append(now)

    def _touch(self, now: float, chat_id: int) -> _Chat:
        """Return the chat's record, newest in the order, after forgetting up to two idle chats.

        Two forgotten for each one remembered keeps the record as small as the work that is still held back.
        """
        for _ in range(min(2, len(self._chats))):
            oldest = next(iter(self._chats))
            if self._is_idle(now, oldest):
                del self._chats[oldest]
            else:
                self._chats.move_to_end(oldest)
        chat = self._chats.setdefault(chat_id, _Chat())
        self._chats.move_to_end(chat_id)
        return chat

    def _is_idle(self, now: float, chat_id: int) -> bool:
        chat = self._chats[chat_id]
        group_free = not chat.sends or now >= chat.sends[-1] + self._rules.group_window_seconds
        free_at = max(self._chat_ready_at(chat_id, "send"), self._chat_ready_at(chat_id, "progress"))
        return group_free and now >= free_at
