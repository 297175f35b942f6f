"""Does what `/topic` says, inside the unit that handles the update; what Telegram must do is a job's."""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.conversations.chat_settings import settings_of_lanes
from wireroom.conversations.topics import topics_of_chat
from wireroom.delivery.outbox import Recipient
from wireroom.intake import topic_words
from wireroom.intake.choices import Choices
from wireroom.intake.topic_requests import NewTopic, enqueue_topic_job, want_topic
from wireroom.intake.update import lane_name
from wireroom.jobs.port import Jobs

LONGEST_NAME = 128


class TopicCommand:
    """`/topic` and its words."""

    def __init__(self, jobs: Jobs, choices: Choices) -> None:
        """Keep the neighbours."""
        self._jobs = jobs
        self._choices = choices

    def reply(self, conn: Connection, to: Recipient, rest: str, *, update_id: int, now_ms: int) -> str | None:
        """Do what the command says and return what to say; None when a job says it.

        Args:
            conn: The unit's connection.
            to: Where the command was sent.
            rest: What follows `/topic`.
            update_id: Of the message.
            now_ms: The time.
        """
        verb, _, given = rest.partition(" ")
        match verb.lower(), given.strip():
            case "", _:
                return self._listing(conn, to)
            case "new", str(name) if name:
                new = read_new_topic(name, self._choices)
                return self._new(conn, to, new, update_id, now_ms)
            case "rename" as change, str(name) if name:
                return self._change(conn, to, f"{change}.{update_id}", name)
            case "close" | "reopen" as change, _:
                return self._change(conn, to, f"{change}.{update_id}")
        return topic_words.USAGE

    def _new(self, conn: Connection, to: Recipient, new: NewTopic, update_id: int, now_ms: int) -> str | None:
        if len(new.name) > LONGEST_NAME:
            return topic_words.TOO_LONG
        want_topic(conn, self._jobs, to, new, update_id=update_id, now_ms=now_ms)
        return None

    def _change(self, conn: Connection, to: Recipient, ref: str, name: str = "") -> str | None:
        if to.thread_id is None:
            return topic_words.ONLY_IN_A_TOPIC
        if not name and to.chat_id > 0:
            return topic_words.NOT_HERE
        if len(name) > LONGEST_NAME:
            return topic_words.TOO_LONG
        enqueue_topic_job(conn, self._jobs, to.lane, ref)
        return None

    def _listing(self, conn: Connection, to: Recipient) -> str:
        topics = topics_of_chat(conn, to.bot_id, to.chat_id)
        lanes = {topic.thread_id: lane_name(to.bot_id, to.chat_id, topic.thread_id) for topic in topics}
        chosen = settings_of_lanes(conn, list(lanes.values()))
        repositories = {
            thread: chosen[lane].repository if lane in chosen else None for thread, lane in lanes.items()
        }
        return topic_words.listing(topics, repositories)


def read_new_topic(given: str, choices: Choices) -> NewTopic:
    """Return name and repository: `Till shop` is the topic Till in shop, `shop` the topic shop in shop."""
    *before, last = given.split()
    folder = choices.repository(last)
    if folder is None:
        return NewTopic(" ".join(given.split()), None, None)
    return NewTopic(" ".join(before) or last, last, folder)
