"""Asks what people say in a chat, in the way that the chat wants while it is busy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from msgspec import structs
from sqlalchemy import Connection

from wireroom.conversations.chat_settings import read_chat_settings
from wireroom.conversations.threads import find_current
from wireroom.delivery.outbox import Recipient
from wireroom.intake.ask import Asker, Question
from wireroom.intake.busy import Ask, Collect, Interrupt, Join, Offer, Standing, decide, read_mode
from wireroom.jobs.port import Jobs
from wireroom.runs.busy import BusyMode
from wireroom.runs.cancel import cancel_run
from wireroom.runs.feed import Feed, lane_topic
from wireroom.runs.joining import Message, collect, note_offer
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, unfinished_runs
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.steering import offer_topic
from wireroom.store.database import after_commit


class BusyAsker:
    """Asks by a chat's mode; a question of a known request id is asked by none."""

    def __init__(
        self, asker: Asker, jobs: Jobs, feed: Feed, *, usual: BusyMode, takes_words: Callable[[str], bool]
    ) -> None:
        """Keep the neighbours.

        Args:
            asker: Stores what is asked.
            jobs: Where a run is stopped that is interrupted.
            feed: Told of what runs must notice.
            usual: The mode of a chat that has chosen none.
            takes_words: Tells of a coding agent by its name whether it can be told something at work.
        """
        self._asker = asker
        self._jobs = jobs
        self._feed = feed
        self._usual = usual
        self._takes_words = takes_words

    def mode_of(self, conn: Connection, lane: str) -> BusyMode:
        """Return the chat's mode."""
        return read_mode(read_chat_settings(conn, lane).busy or "") or self._usual

    def ask(
        self,
        conn: Connection,
        question: Question,
        now_ms: int,
        *,
        to: Recipient | None = None,
        mode: BusyMode | None = None,
    ) -> str | None:
        """Do with the question what the mode says; return its run's id, None when it was asked before.

        Args:
            conn: The unit's.
            question: What somebody says; its request id is known for good, whatever becomes of it.
            now_ms: The time.
            to: Where it is answered.
            mode: For this question alone; None: the chat's.
        """
        mode = mode or self.mode_of(conn, question.lane)
        if mode is BusyMode.FOLLOWUP:
            return self._asker.ask(conn, question, now_ms, to=to)
        if self._asker.known(conn, question.request_id) is not None:
            return None
        standing = self._standing(conn, question.lane, unfinished_runs(conn, question.lane))
        is_plain = question.options is None and question.mode is RunMode.EXECUTE
        match decide(mode, standing, is_plain=is_plain):
            case Join(run_id=head):
                return self._join(conn, head, question, now_ms, to)
            case Offer(run_id=run_id):
                question = self._offered(conn, run_id, question, now_ms)
            case Interrupt(run_id=run_id):
                cancel_run(conn, self._jobs, run_id, now_ms)
                question = _marked(question, BusyMode.INTERRUPT)
            case Collect():
                question = _marked(question, BusyMode.COLLECT)
            case Ask():
                pass
        return self._asker.ask(conn, question, now_ms, to=to)

    def _standing(self, conn: Connection, lane: str, unfinished: Sequence[RunView]) -> Standing:
        first, last = (unfinished[0], unfinished[-1]) if unfinished else (None, None)
        at_work = first if first and first.state is RunState.RUNNING and not first.is_stopping else None
        current = find_current(conn, lane)
        joins = current.id if current else None
        return Standing(
            is_busy=bool(unfinished),
            at_work=at_work.id if at_work else None,
            takes_words=at_work is not None and self._can_be_told(at_work, joins),
            collecting=last.id if last and _collects(last, joins) else None,
        )

    def _can_be_told(self, run: RunView, conversation_id: str | None) -> bool:
        """Tell whether the run's agent can be told what joins the conversation; not a loop."""
        is_same = run.conversation_id == conversation_id
        return is_same and run.mode is RunMode.EXECUTE and self._takes_words(run.backend)

    def _join(
        self, conn: Connection, head: str, question: Question, now_ms: int, to: Recipient | None
    ) -> str | None:
        own = self._asker.new_id("run")
        message = Message(own, question.request_id, question.text, question.source_message_id)
        if collect(conn, head, message, now_ms) is None:
            return self._asker.ask(conn, _marked(question, BusyMode.COLLECT), now_ms, to=to)
        after_commit(conn, lambda: self._feed.publish(lane_topic(question.lane)))
        return own

    def _offered(self, conn: Connection, run_id: str, question: Question, now_ms: int) -> Question:
        """Return the question as one that is offered to the run's agent; as it is when the run has ended."""
        own = self._asker.new_id("run")
        place = note_offer(conn, run_id, own, question.text, now_ms)
        if place is None:
            return question
        after_commit(conn, lambda: self._feed.publish(offer_topic(run_id)))
        options = RunOptions(busy=BusyMode.STEER, place=place)
        return replace(question, options=options, run_id=own, offered_to=run_id)


def _collects(run: RunView, conversation_id: str | None) -> bool:
    """Tell whether the run that waits takes in what joins the conversation."""
    waits = run.epoch == 0 and not run.is_stopping
    return waits and run.options.busy == BusyMode.COLLECT and run.conversation_id == conversation_id


def _marked(question: Question, mode: BusyMode) -> Question:
    options = question.options or RunOptions()
    return replace(question, options=structs.replace(options, busy=mode.value))
