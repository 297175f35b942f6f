"""From a question to a stored run: the one way in for every channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select

from wireroom.conversations.chat_settings import read_chat_settings
from wireroom.conversations.threads import (
    Conversation,
    NewConversation,
    begin_conversation,
    find_current,
)
from wireroom.delivery import speaking
from wireroom.delivery.outbox import Recipient, open_delivery
from wireroom.intake import words
from wireroom.intake.bots import defaults_of
from wireroom.intake.wishes import with_choices
from wireroom.jobs.port import Jobs
from wireroom.runs import hearing, side
from wireroom.runs.busy import INTERRUPTING, BusyMode
from wireroom.runs.feed import Feed, lane_topic
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import count_ahead
from wireroom.runs.records import QUEUE, NewRun, create_run
from wireroom.runs.states import RunMode
from wireroom.store.database import after_commit
from wireroom.store.schema import runs


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants done."""

    request_id: str
    """The same id twice is one run."""
    text: str
    lane: str
    channel: str
    """telegram, web or api."""
    source_message_id: int | None = None
    mode: RunMode = RunMode.EXECUTE
    options: RunOptions | None = None
    run_id: str | None = None
    """Of the run that it becomes, for who must know it before; None: a fresh one."""
    offered_to: str | None = None
    """The run at work whose agent is to be told."""


class Asker:
    """Stores questions as runs."""

    def __init__(
        self,
        jobs: Jobs,
        feed: Feed,
        *,
        backend: str,
        workdir: Callable[[str], str],
        new_id: Callable[[str], str],
    ) -> None:
        """Keep the neighbours.

        Args:
            jobs: Where the run's job goes.
            feed: Told of each new run.
            backend: Name of the coding agent that new runs use.
            workdir: Gives a conversation's folder by its id; pure, the folder is made when a run begins.
            new_id: Gives a fresh id with the prefix.
        """
        self._jobs = jobs
        self._feed = feed
        self.backend = backend
        self.workdir = workdir
        self.new_id = new_id

    def ask(
        self, conn: Connection, question: Question, now_ms: int, *, to: Recipient | None = None
    ) -> str | None:
        """Store the run, its job, and the placeholder of its answer; None when it was asked before.

        Returns:
            The new run's id.
        """
        conversation = find_current(conn, question.lane)
        if conversation is None:
            conversation = self.begin(conn, question.lane, question.channel, now_ms)
        backend = conversation.backend or self.backend
        chat = side.main_lane(question.lane)
        busy = question.options.busy if question.options else None
        interrupts = busy == BusyMode.INTERRUPT
        ahead = count_ahead(conn, question.lane, interrupts=interrupts)
        run_id = question.run_id or self.new_id("run")
        created = create_run(
            conn,
            self._jobs,
            NewRun(
                id=run_id,
                request_id=question.request_id,
                conversation_id=conversation.id,
                lane=question.lane,
                source=question.channel,
                prompt=question.text,
                backend=backend,
                workdir=conversation.workdir,
                source_message_id=question.source_message_id,
                mode=question.mode,
                options=with_choices(question.options, read_chat_settings(conn, chat), backend),
                joined_run_id=question.offered_to,
                priority=INTERRUPTING if interrupts else 0,
                queue=side.QUEUE if side.is_side(question.lane) else QUEUE,
            ),
            now_ms,
        )
        if not created:
            return None
        recording = question.options.recording if question.options else None
        spoken = recording is not None and not recording.heard
        if spoken:
            self._jobs.enqueue(conn, queue=speaking.QUEUE, kind=hearing.KIND, ref=run_id)
        if to is not None:
            opening = words.opening(ahead, spoken=spoken, busy=busy)
            open_delivery(conn, self._jobs, to, opening=opening, run_id=run_id, now_ms=now_ms)
        after_commit(conn, lambda: self._feed.publish(lane_topic(question.lane)))
        return run_id

    def begin(
        self,
        conn: Connection,
        lane: str,
        channel: str,
        now_ms: int,
        *,
        workdir: str | None = None,
        backend: str | None = None,
    ) -> Conversation:
        """Begin a new conversation in the lane; what runs or waits goes on in the old one.

        Args:
            conn: The unit's connection.
            lane: Where it is held.
            channel: telegram, web or api.
            now_ms: The time.
            workdir: Folder to work in; None: what was chosen for the lane or its bot, else by the
                installation's rule.
            backend: Coding agent; None: what was chosen for the lane or its bot, else the installation's.
        """
        conversation_id = self.new_id("conversation")
        chosen, usual = read_chat_settings(conn, lane), defaults_of(conn, lane)
        folder = workdir or chosen.folder or usual.folder or self.workdir(conversation_id)
        agent = backend or chosen.backend or usual.backend
        wanted = NewConversation(conversation_id, channel, lane, folder, agent)
        return begin_conversation(conn, wanted, now_ms)

    def known(self, conn: Connection, request_id: str) -> str | None:
        """Return the id of the run that was stored under this request id."""
        query = select(runs.c.id).where(runs.c.request_id == request_id)
        found: str | None = conn.execute(query).scalar_one_or_none()
        return found
