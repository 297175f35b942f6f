"""Whether a message of a group is meant for the bot, and what it says to it. Pure.

In a private chat everything is. In a group it is what names the bot, answers one of its messages, or is a
command of it; in a topic that is a project, all that people write. The rest is between people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wireroom.intake.around import Around, Entity, storable
from wireroom.intake.commands import parse_command

_UNIT_BYTES = 2
"""Of a UTF-16 code unit, in which Telegram counts."""


@dataclass(frozen=True, slots=True)
class Me:
    """The bot, as it is spoken to."""

    id: int
    username: str
    """Without the @; empty while it is not known yet."""


@dataclass(frozen=True, slots=True)
class Meant:
    """It is for the bot."""

    text: str
    """What it says, without the bot's name."""


@dataclass(frozen=True, slots=True)
class Nameless:
    """It is for the bot, but from a group or a channel, so nobody knows from whom."""

    chat_id: int
    title: str


@dataclass(frozen=True, slots=True)
class Overheard:
    """It is between people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """It names somebody, and the bot does not know its own name yet."""


Hearing = Meant | Nameless | Overheard | Unclear


def hear(around: Around, me: Me, *, is_project: Callable[[], bool]) -> Hearing:
    """Decide whether the message is meant for the bot.

    Args:
        around: The message.
        me: The bot.
        is_project: Tells whether its topic is a project; asked only when nothing else says that it is meant.
    """
    text, entities = _words(around)
    if not around.is_shared:
        return Meant(text)
    if (stranger := _other_speaker(around)) is not None:
        return stranger
    named = [one for one in entities if _names(text, one, me)]
    if not named and not _answers(around, me):
        if not me.username and (_addressee(text) or any(one.type == "mention" for one in entities)):
            return Unclear()
        if not _is_command(text, me) and (_is_for_another(text, me) or not is_project()):
            return Overheard("not meant for the bot")
    if around.sender_chat is not None:
        return Nameless(around.sender_chat.id, storable(around.sender_chat.title))
    return Meant(storable(without(text, named)))


def _other_speaker(around: Around) -> Overheard | None:
    """Return why nobody whom the bot could know speaks; None for a person, named or not."""
    if around.is_automatic_forward:
        return Overheard("a post of the linked channel")
    if around.sender_chat is None and around.from_ is not None and around.from_.is_bot:
        return Overheard("from another bot")
    return None


def without(text: str, spans: Iterable[Entity]) -> str:
    """Return the text without these pieces, and without the comma or colon that set them off.

    `@bot, run it` is `run it`; `please @bot run it` is `please run it`; `run it, @bot` is `run it`.
    """
    units = text.encode("utf-16-le", "surrogatepass")
    said, rest = "", 0
    for one in sorted(spans, key=lambda span: span.offset):
        said = _joined(said, _slice(units, rest, one.offset))
        rest = one.offset + one.length
    tail = _slice(units, rest, len(units) // _UNIT_BYTES)
    return _joined(said, tail).strip() if rest else text.strip()


def _joined(before: str, after: str) -> str:
    if not before.strip():
        return after.lstrip(" \t\r\n,:;")
    if not after.strip(" ,.:;"):
        return before.rstrip(" \t,:;")
    return f"{before.rstrip(' ')} {after.lstrip(' ,:;')}"


def _words(around: Around) -> tuple[str, tuple[Entity, ...]]:
    if around.text:
        return around.text, around.entities
    return around.caption, around.caption_entities


def _names(text: str, one: Entity, me: Me) -> bool:
    if one.type == "text_mention":
        return one.user is not None and one.user.id == me.id
    if one.type != "mention" or not me.username:
        return False
    units = text.encode("utf-16-le", "surrogatepass")
    return _slice(units, one.offset, one.offset + one.length).lower() == f"@{me.username.lower()}"


def _answers(around: Around, me: Me) -> bool:
    """Tell whether the message answers one of the bot's.

    In a topic every plain message answers the one that began it, which says nothing about who is meant.
    """
    replied = around.reply_to_message
    if replied is None or replied.from_ is None or replied.forum_topic_created is not None:
        return False
    return replied.from_.id == me.id


def _is_command(text: str, me: Me) -> bool:
    return parse_command(text, me.username) is not None


def _is_for_another(text: str, me: Me) -> bool:
    addressee = _addressee(text)
    return bool(addressee) and addressee.lower() != me.username.lower()


def _addressee(text: str) -> str:
    """Return whom a command names: `MyBot` of `/stop@MyBot all`."""
    first = text.strip().partition(" ")[0]
    return first.partition("@")[2] if first.startswith("/") else ""


def _slice(units: bytes, start: int, end: int) -> str:
    return units[_UNIT_BYTES * start : _UNIT_BYTES * end].decode("utf-16-le", "replace")
