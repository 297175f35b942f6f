"""`/digest` and `/quiet`: when a chat is told of the day, and when it is left alone."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from wireroom.clock import from_ms, to_ms
from wireroom.conversations.chat_settings import ChatSettings, change_chat_settings, read_chat_settings
from wireroom.delivery.hours import read_hours, read_time, read_zone
from wireroom.digest.due import digest_now, next_digest, plan_digest
from wireroom.errors import BadInput

_OFF = frozenset({"off", "default", "none"})
_ALWAYS = "always"
_DIGEST_USAGE = (
    "Choose with `/digest 18:00`, `/digest 18:00 Europe/Warsaw`, `/digest 18:00 always` also for days without"
    " anything to tell, `/digest off`; `/digest now` tells at once."
)
_QUIET_USAGE = "Choose with `/quiet 22:00-07:00`, `/quiet 22:00-07:00 Europe/Warsaw`, `/quiet off`."


class Timetable:
    """The times of all chats."""

    def __init__(self, zone: str) -> None:
        """Read times in this zone where a chat has not said."""
        self._zone = zone

    def digest(self, conn: Connection, lane: str, rest: str, now_ms: int) -> str:
        """Choose when the digest comes, tell it now, or show when it comes."""
        words = rest.split()
        match [word.lower() for word in words]:
            case []:
                return f"{self._digest_words(read_chat_settings(conn, lane), now_ms)} {_DIGEST_USAGE}"
            case ["now"]:
                return digest_now(conn, lane, self._zone, from_ms(now_ms))
            case [word] if word in _OFF:
                changes: dict[str, object] = {"digest_at": None, "digest_always": False}
            case _:
                try:
                    changes = _read_digest(words)
                except BadInput as error:
                    return f"{error} {_DIGEST_USAGE}"
        return self._digest_words(self._change(conn, lane, now_ms, changes), now_ms)

    def quiet(self, conn: Connection, lane: str, rest: str, now_ms: int) -> str:
        """Choose the quiet hours, or show them."""
        words = rest.split()
        if not words:
            return f"{self._quiet_words(read_chat_settings(conn, lane))} {_QUIET_USAGE}"
        if [word.lower() for word in words] in [[word] for word in _OFF]:
            return self._quiet_words(self._change(conn, lane, now_ms, {"quiet": None}))
        try:
            changes = self._read_quiet(words)
        except BadInput as error:
            return f"{error} {_QUIET_USAGE}"
        return self._quiet_words(self._change(conn, lane, now_ms, changes))

    def status(self, conn: Connection, lane: str, now_ms: int) -> Sequence[str]:
        """Return what there is to say of the chat's times, as lines for `/status`."""
        chosen = read_chat_settings(conn, lane)
        told = [
            self._digest_words(chosen, now_ms) if chosen.digest_at else "",
            self._quiet_words(chosen) if chosen.quiet else "",
        ]
        return [line for line in told if line]

    def _change(self, conn: Connection, lane: str, now_ms: int, changes: dict[str, object]) -> ChatSettings:
        """Change the choices, and when the digest is due: another zone moves it, too."""
        before = read_chat_settings(conn, lane)
        chosen = change_chat_settings(conn, lane, now_ms, **changes)
        if (before.digest_at, before.zone) != (chosen.digest_at, chosen.zone):
            plan_digest(conn, lane, chosen, self._zone, from_ms(now_ms))
        return chosen

    def _read_quiet(self, words: Sequence[str]) -> dict[str, object]:
        zone = _zone_in(words[1:])
        read_hours(words[0], read_zone(zone or self._zone))
        return {"quiet": words[0], **({"zone": zone} if zone else {})}

    def _digest_words(self, chosen: ChatSettings, now_ms: int) -> str:
        due = next_digest(chosen, self._zone, from_ms(now_ms))
        if due is None:
            return "📰 No daily digest."
        always = "" if chosen.digest_always else ", unless there is nothing to tell"
        hours = round((to_ms(due) - now_ms) / 3_600_000, 1)
        zone = chosen.zone or self._zone
        return f"📰 Daily digest at {chosen.digest_at} ({zone}){always}; the next in {hours:g} h."

    def _quiet_words(self, chosen: ChatSettings) -> str:
        if chosen.quiet is None:
            return "🔔 No quiet hours."
        zone = chosen.zone or self._zone
        return (
            f"🔕 Quiet from {chosen.quiet.replace('-', ' to ')} ({zone}): answers and questions come without"
            " a sound, and what you did not ask for waits until then."
        )


def _read_digest(words: Sequence[str]) -> dict[str, object]:
    """Return the changes that `18:00`, `18:00 ZONE`, `18:00 always` or both ask for."""
    read_time(words[0])
    rest = [word for word in words[1:] if word.lower() != _ALWAYS]
    zone = _zone_in(rest)
    changes: dict[str, object] = {"digest_at": words[0], "digest_always": len(rest) < len(words) - 1}
    return changes | ({"zone": zone} if zone else {})


def _zone_in(words: Sequence[str]) -> str | None:
    if not words:
        return None
    if len(words) > 1:
        raise BadInput("I cannot read that.")
    return read_zone(words[0]).key
