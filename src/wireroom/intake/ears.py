"""Hears what is said in a chat: passes on what is meant for the bot, and notes what service messages tell.

The shell around `around` and `addressing`, inside the unit that handles the update.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from msgspec import structs
from sqlalchemy import Connection

from wireroom.conversations.topics import OPEN, TopicKey, find_topic, note_state, note_topic
from wireroom.errors import WireroomError
from wireroom.intake.addressing import Me, Meant, Nameless, Overheard, Unclear, hear
from wireroom.intake.around import Around, Migrated, News, TopicNews, news_of, read_around
from wireroom.intake.file_requests import album_request_id
from wireroom.intake.moved_groups import follow_group
from wireroom.intake.topic_requests import look_again
from wireroom.intake.update import Place, Said, Speaker
from wireroom.jobs.port import Jobs
from wireroom.runs.fetching import run_of_request

NAME_SECONDS = timedelta(seconds=1)
"""Until a message is looked at again that came before the bot knew its own name."""


FOR_YOU = "This is for you:"
"""What the bot's bare name says below a message of somebody else."""


class NameUnknown(WireroomError):
    """A message may name the bot, which does not know its own name yet: ask again in a moment."""


class Ears:
    """One bot's."""

    def __init__(self, jobs: Jobs, bot_id: int, username: Callable[[], str]) -> None:
        """Keep the neighbours; `username` is empty until Telegram has told it."""
        self._jobs = jobs
        self._bot_id = bot_id
        self._username = username

    def listen(self, conn: Connection, said: Said, payload: str, now_ms: int) -> Said | str:
        """Return what is said to the bot, without its name; else why nothing follows from it.

        Who writes in the name of a group or a channel comes as a speaker with that chat's id, below 0.

        Raises:
            NameUnknown: the message names somebody, and the bot does not know its own name yet.
        """
        if said.place.chat_id > 0 and said.text:
            return said
        around = read_around(payload)
        if around is None:
            return said
        if (news := news_of(around, self._bot_id)) is not None:
            return self._note(conn, said.place, news, now_ms)
        return self._heard(conn, said, around, now_ms)

    def _heard(self, conn: Connection, said: Said, around: Around, now_ms: int) -> Said | str:
        me = Me(self._bot_id, self._username())
        match hear(around, me, is_project=lambda: self._is_project(conn, said.place)):
            case Overheard(reason=reason):
                return said if self._completes_album(conn, said) else reason
            case Unclear():
                raise NameUnknown("The bot's name is not known yet.")
            case Nameless(chat_id=chat_id, title=title):
                return structs.replace(said, speaker=Speaker(chat_id, title))
            case Meant(text=text):
                self._learn_name(conn, said.place, around, now_ms)
                return said if text == said.text or not around.is_shared else _without_name(said, text)

    def _completes_album(self, conn: Connection, said: Said) -> bool:
        """Tell whether it belongs to an album that was given to the bot: its name stands below one piece."""
        request_id = album_request_id(self._bot_id, said)
        return bool(said.album) and run_of_request(conn, request_id) is not None

    def _is_project(self, conn: Connection, place: Place) -> bool:
        key = self._key(place)
        topic = None if key is None else find_topic(conn, key)
        return topic is not None and topic.is_project

    def _learn_name(self, conn: Connection, place: Place, around: Around, now_ms: int) -> None:
        """Note a topic that was there before the bot was, once somebody speaks to it there."""
        key = self._key(place)
        if key is not None and around.topic_name and find_topic(conn, key) is None:
            note_topic(conn, key, now_ms, name=around.topic_name)

    def _note(self, conn: Connection, place: Place, news: News, now_ms: int) -> str:
        key = self._key(place)
        match news:
            case Migrated(old_chat_id=old, new_chat_id=new):
                follow_group(conn, self._bot_id, old, new)
                return "the group became a supergroup"
            case TopicNews(name=str() as name, state=state, by_bot=by_bot) if key is not None:
                known = find_topic(conn, key)
                stands = state or (known.state if known else OPEN)
                note_topic(conn, key, now_ms, name=name, state=stands, made_by_bot=by_bot)
                if by_bot:
                    look_again(conn, self._jobs, place, self._bot_id, name)
            case TopicNews(state=str() as state) if key is not None:
                note_state(conn, key, state)
        return "a service message"

    def _key(self, place: Place) -> TopicKey | None:
        if place.thread_id is None:
            return None
        return TopicKey(self._bot_id, place.chat_id, place.thread_id)


def _without_name(said: Said, text: str) -> Said:
    if not text and said.context:
        text = FOR_YOU
    recording = said.recording and structs.replace(said.recording, caption=text)
    return structs.replace(said, text=text, recording=recording)
