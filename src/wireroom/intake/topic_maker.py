"""Makes and changes topics: the handler of jobs of kind `topic`, one for each bot.

A topic is asked for once: the row says so before the call, and a start that finds it said waits for
Telegram's news of the topic instead of asking again. When none comes, a person decides. Renaming, closing and
opening may be repeated, so they need no row.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, from_ms, to_ms
from wireroom.conversations.chat_settings import change_chat_settings
from wireroom.conversations.topics import TopicKey, note_topic
from wireroom.delivery.outbox import Button, Recipient, send_notice
from wireroom.errors import LeaseLost
from wireroom.intake import topic_words
from wireroom.intake.accept import payload_of
from wireroom.intake.topic_requests import (
    DONE,
    REFUSED,
    SENDING,
    UNSURE,
    WANTED,
    WantedTopic,
    load_wanted,
    mark_wanted,
    settle,
    unclaimed_topic,
)
from wireroom.intake.update import Said, lane_name, read_update
from wireroom.jobs.port import Done, Job, Jobs, Outcome, RunAgainAt
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently
from wireroom.telegram.client import TelegramClient
from wireroom.telegram.errors import BotAPIError, FloodWait, TelegramUnavailable, Unauthorized, Uncertain
from wireroom.telegram.methods import (
    CloseForumTopic,
    CreateForumTopic,
    EditForumTopic,
    Method,
    ReopenForumTopic,
)

_log = structlog.get_logger(__name__)
NEWS_WITHIN = timedelta(seconds=10)
"""How long Telegram's news of a topic is waited for."""
_LOOK = timedelta(seconds=1)
_RETRY = timedelta(seconds=2)
_PATIENCE = timedelta(hours=24)
_RENAME = re.compile(r"/topic(?:@\w+)?\s+rename\s+(.+)", re.IGNORECASE)


class TopicMaker:
    """Makes and changes topics for one bot."""

    def __init__(
        self,
        *,
        client: TelegramClient,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        news_within: timedelta = NEWS_WITHIN,
    ) -> None:
        """Keep the neighbours; `news_within` is how long news of a topic is waited for."""
        self._client = client
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._news_within = news_within

    async def handle(self, job: Job) -> Outcome:
        """Make the topic, or change it; see `jobs.port.Handler`."""
        verb, _, number = job.ref.partition(".")
        if verb != "new":
            return await self._change(job, verb, int(number))
        wanted = await self._db.read(lambda conn: load_wanted(conn, int(number)))
        if wanted is None or wanted.state in {DONE, REFUSED}:
            return Done()
        return await self._make(job, wanted) if wanted.state == WANTED else await self._look(job, wanted)

    async def _make(self, job: Job, wanted: WantedTopic) -> Outcome:
        now_ms = to_ms(self._clock.now())
        await self._write(job, lambda conn: mark_wanted(conn, wanted.id, SENDING, sent_at=now_ms))
        try:
            made = await self._client.call(CreateForumTopic(chat_id=wanted.chat_id, name=wanted.name))
        except Uncertain:
            return RunAgainAt(self._clock.now() + _LOOK)
        except BotAPIError as error:
            return await self._refused(job, wanted, error)
        await self._settle(job, wanted, made.message_thread_id)
        return Done()

    async def _look(self, job: Job, wanted: WantedTopic) -> Outcome:
        """Find the topic that may have been made; when no news of it comes, leave it to a person."""
        thread_id = await self._db.read(lambda conn: unclaimed_topic(conn, wanted))
        if thread_id is not None:
            await self._settle(job, wanted, thread_id)
            return Done()
        now = self._clock.now()
        if wanted.state == UNSURE:
            return Done()
        if now - from_ms(wanted.sent_at or wanted.created_at) < self._news_within:
            return RunAgainAt(now + _LOOK)
        again = Button(topic_words.MAKE_AGAIN, f"w:topic:{wanted.id}")

        def unit(conn: Connection) -> None:
            mark_wanted(conn, wanted.id, UNSURE)
            self._say(conn, wanted.asked_in, topic_words.unsure(wanted.name), again)
            self._jobs.finish(conn, job)

        await self._write(job, unit)
        _log.warning("topic_unsure", request=wanted.id)
        return Done()

    async def _settle(self, job: Job, wanted: WantedTopic, thread_id: int) -> None:
        """Note the topic and what it is for, whoever has the job by now: what Telegram said is true."""
        try:
            await self._write(job, lambda conn: self._settled(conn, wanted, thread_id, job))
        except LeaseLost:
            what = f"topic {wanted.id}"
            await write_patiently(self._db, lambda conn: self._settled(conn, wanted, thread_id), what=what)
            raise

    def _settled(self, conn: Connection, wanted: WantedTopic, thread_id: int, job: Job | None = None) -> None:
        now_ms = to_ms(self._clock.now())
        if settle(conn, wanted.id, thread_id):
            key = TopicKey(wanted.bot_id, wanted.chat_id, thread_id)
            note_topic(conn, key, now_ms, name=wanted.name, made_by_bot=True, is_project=True)
            lane = lane_name(wanted.bot_id, wanted.chat_id, thread_id)
            change_chat_settings(conn, lane, now_ms, repository=wanted.repository, folder=wanted.folder)
            told = topic_words.made(wanted.name, wanted.repository, wanted.chat_id, thread_id)
            self._say(conn, wanted.asked_in, told)
            welcome = topic_words.welcome(wanted.repository, is_shared=wanted.chat_id < 0)
            self._say(conn, Recipient(lane, wanted.bot_id, wanted.chat_id, thread_id), welcome)
        if job is not None:
            self._jobs.finish(conn, job)

    async def _refused(self, job: Job, wanted: WantedTopic, error: BotAPIError) -> Outcome:
        """Try again what may pass; else say why there is no topic."""
        now = self._clock.now()
        if (wait := _wait(error)) is not None and now - from_ms(wanted.created_at) < _PATIENCE:
            await self._write(job, lambda conn: mark_wanted(conn, wanted.id, WANTED, error=str(error)))
            return RunAgainAt(now + wait)
        said = topic_words.refused(wanted.name, error.description, is_private=wanted.chat_id > 0)

        def unit(conn: Connection) -> None:
            mark_wanted(conn, wanted.id, REFUSED, error=str(error))
            self._say(conn, wanted.asked_in, said)
            self._jobs.finish(conn, job)

        await self._write(job, unit)
        return Done()

    async def _change(self, job: Job, verb: str, update_id: int) -> Outcome:
        """Rename, close or open the topic in which the command was sent; it says so itself."""
        bot_id = self._client.bot_id
        payload = await self._db.read(lambda conn: payload_of(conn, bot_id, update_id))
        said = None if payload is None else read_update(payload)
        if not isinstance(said, Said) or said.place.thread_id is None:
            return Done()
        place = said.place
        request = _request(verb, place.chat_id, said.place.thread_id, _name(said.text))
        try:
            await self._client.call(request)
        except BotAPIError as error:
            if "not_modified" in error.description.lower():
                return Done()
            if (wait := _wait(error)) is not None or isinstance(error, Uncertain):
                return RunAgainAt(self._clock.now() + (wait or _RETRY))
            lane = place.lane(bot_id)
            to = Recipient(lane, bot_id, place.chat_id, place.thread_id, place.message_id)
            told = topic_words.unchanged(error.description, is_private=place.chat_id > 0)
            await self._write(job, lambda conn: self._tell_and_finish(conn, job, to, told))
        return Done()

    def _tell_and_finish(self, conn: Connection, job: Job, to: Recipient, text: str) -> None:
        self._say(conn, to, text)
        self._jobs.finish(conn, job)

    def _say(self, conn: Connection, to: Recipient, text: str, *buttons: Button) -> None:
        send_notice(conn, self._jobs, to, text, now_ms=to_ms(self._clock.now()), buttons=buttons)

    async def _write(self, job: Job, unit: Callable[[Connection], object]) -> None:
        def claimed(conn: Connection) -> None:
            self._jobs.check_claim(conn, job)
            unit(conn)

        await write_patiently(self._db, claimed, what=f"topic job {job.ref}")


def _wait(error: BotAPIError) -> timedelta | None:
    """Return when to try again what certainly did not happen; None for what will not change."""
    if isinstance(error, FloodWait):
        return timedelta(seconds=error.retry_after_seconds)
    return _RETRY if isinstance(error, TelegramUnavailable | Unauthorized) else None


def _request(verb: str, chat_id: int, thread_id: int, name: str) -> Method[bool]:
    match verb:
        case "rename":
            return EditForumTopic(chat_id=chat_id, message_thread_id=thread_id, name=name)
        case "close":
            return CloseForumTopic(chat_id=chat_id, message_thread_id=thread_id)
        case _:
            return ReopenForumTopic(chat_id=chat_id, message_thread_id=thread_id)


def _name(text: str) -> str:
    """Return what follows `/topic rename` in the message."""
    found = _RENAME.search(text)
    return found[1] if found else ""
