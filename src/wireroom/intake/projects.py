"""What a chat is about, chosen there: repository and coding agent. Units of work.

The choice is the lane's: the conversation that begins with it and every later one work in it. In a topic it
makes a project, in which people need not name the bot.
"""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.conversations.chat_settings import change_chat_settings, read_chat_settings
from wireroom.conversations.threads import find_current
from wireroom.conversations.topics import TopicKey, note_topic
from wireroom.delivery.outbox import Recipient
from wireroom.intake import words
from wireroom.intake.ask import Asker
from wireroom.intake.choices import Choices

NO_REPOSITORY = "none"
"""What leaves a repository, where none has this name."""


class Projects:
    """Binds lanes to what they are about."""

    def __init__(self, asker: Asker, choices: Choices) -> None:
        """Keep the neighbours."""
        self._asker = asker
        self._choices = choices

    def choose_repository(self, conn: Connection, to: Recipient, name: str, now_ms: int) -> str:
        """Begin a conversation in the repository and keep to it; the coding agent stays.

        Returns:
            What to say.
        """
        folder = self._choices.repository(name) if name else None
        leaves = folder is None and name.lower() == NO_REPOSITORY
        if folder is None and not leaves:
            return words.repositories(self._choices.repositories(), wanted=name)
        before = find_current(conn, to.lane)
        change_chat_settings(conn, to.lane, now_ms, repository=None if leaves else name, folder=folder)
        if to.thread_id is not None:
            note_topic(conn, TopicKey(to.bot_id, to.chat_id, to.thread_id), now_ms, is_project=True)
        backend = before.backend if before else None
        self._asker.begin(conn, to.lane, "telegram", now_ms, backend=backend)
        return words.NO_REPOSITORY if leaves else words.in_repository(name)

    def choose_backend(self, conn: Connection, to: Recipient, name: str, now_ms: int) -> str:
        """Begin a conversation with the coding agent and keep to it; the folder stays.

        Returns:
            What to say.
        """
        before = find_current(conn, to.lane)
        if name not in self._choices.backends:
            chosen = before.backend if before else read_chat_settings(conn, to.lane).backend
            return words.backends(self._choices.backends, chosen or self._asker.backend, wanted=name)
        change_chat_settings(conn, to.lane, now_ms, backend=name)
        workdir = before.workdir if before else None
        self._asker.begin(conn, to.lane, "telegram", now_ms, workdir=workdir)
        return words.with_backend(name)
