"""What the buttons mean that Wireroom itself shows: below progress, below answers, below a late edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.conversations.threads import find_current
from wireroom.delivery.outbox import Recipient
from wireroom.delivery.spots import run_of_draft
from wireroom.intake import people, words
from wireroom.intake.accept import payload_of
from wireroom.intake.again import same_question
from wireroom.intake.ask import Asker, Question
from wireroom.intake.git_chat import StepRef, enqueue_step
from wireroom.intake.preferences import PRESSES, Chooser, Preferences
from wireroom.intake.topic_requests import want_again
from wireroom.jobs.port import Jobs
from wireroom.runs import answer_buttons
from wireroom.runs.cancel import cancel_run
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.side import main_lane

GO_ON = "Go on."
"""What the coding agent is asked by the button of that name."""


@dataclass(frozen=True, slots=True)
class Press:
    """A pressed button and where it was shown."""

    conn: Connection
    action: str
    ref: str
    """A run's id, or of a late edit the row of its update."""
    lane: str
    to: Recipient
    now_ms: int
    is_owner: bool = False
    """Whether the installation's owner pressed it."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What follows from a press."""

    said: str
    """One line that acknowledges it."""
    question: Question | None = None
    """What a coding agent is to be asked."""
    notice: str | None = None
    """What is said in the chat, as Markdown."""


class OwnButtons:
    """Reads buttons; a button acts only in the chat that it was shown in, and asks at most once."""

    def __init__(self, jobs: Jobs, asker: Asker, bot_id: int, preferences: Preferences) -> None:
        """Keep the neighbours."""
        self._preferences = preferences
        self._jobs = jobs
        self._asker = asker
        self._bot_id = bot_id
        self._of_others: Mapping[str, Callable[[Press], Reaction]] = {
            "rerun": self._rerun,
            "git": self._step,
            "topic": self._topic,
            "draft": self._stop_draft,
        }
        """What refers to something else than a run."""
        self._by_action: Mapping[str, Callable[[Press, RunView], Reaction]] = {
            "stop": self._stop,
            answer_buttons.RETRY: self._retry,
            answer_buttons.CONTINUE: self._go_on,
            answer_buttons.DIFF: lambda _, run: Reaction("Here is what it changed.", notice=words.diff(run)),
            answer_buttons.NEW: self._new,
        }

    def react(self, press: Press) -> Reaction:
        """Do what the button says, as far as it is not a question to ask."""
        if (other := self._of_others.get(press.action)) is not None:
            return other(press)
        if press.action in PRESSES:
            by = Chooser(press.conn, press.lane, press.now_ms, press.is_owner)
            said, notice = self._preferences.press(by, press.action, press.ref)
            return Reaction(said, notice=notice)
        run = find_run(press.conn, press.ref)
        if run is None or main_lane(run.lane) != press.lane:
            return Reaction("That request is gone.")
        obey = self._by_action.get(press.action)
        return Reaction("This button is from another release.") if obey is None else obey(press, run)

    def _step(self, press: Press) -> Reaction:
        """Have the git step done that was shown; however often it is pressed, what was done stays done."""
        try:
            ref = StepRef.read(press.ref)
        except ValueError:
            return Reaction("This button is from another release.")
        if payload_of(press.conn, self._bot_id, ref.update_id, lane=press.lane) is None:
            return Reaction("That command is gone.")
        enqueue_step(press.conn, self._jobs, press.lane, ref)
        return Reaction("On it.")

    def _topic(self, press: Press) -> Reaction:
        """Have a topic made of which nobody knows whether it was; once it is known, nothing is made."""
        known = not press.ref.isdigit() or not want_again(press.conn, self._jobs, int(press.ref), press.to)
        return Reaction("That is settled already." if known else "Making it again.")

    def _stop_draft(self, press: Press) -> Reaction:
        """Stop the run whose draft it is; a press that comes after its end changes nothing."""
        draft_id = int(press.ref) if press.ref.isdigit() else 0
        run_id = run_of_draft(press.conn, draft_id, press.to.bot_id, press.to.chat_id)
        if run_id is not None:
            cancel_run(press.conn, self._jobs, run_id, press.now_ms)
        return Reaction("Stopping." if run_id else "That request is gone.")

    def _stop(self, press: Press, run: RunView) -> Reaction:
        cancel_run(press.conn, self._jobs, run.id, press.now_ms)
        return Reaction("Stopping.")

    def _retry(self, press: Press, run: RunView) -> Reaction:
        return Reaction("Trying again.", same_question(run, self._once(press), message_id=press.to.reply_to))

    def _rerun(self, press: Press) -> Reaction:
        text = people.stored_text(press.conn, int(press.ref), press.lane) if press.ref.isdigit() else None
        if text is None:
            return Reaction("That wording is gone.")
        question = Question(self._once(press), text, press.lane, "telegram", press.to.reply_to)
        return Reaction("Running the new wording.", question)

    def _go_on(self, press: Press, run: RunView) -> Reaction:
        """Ask on in the conversation of the answer, while it is the current one."""
        current = find_current(press.conn, press.lane)
        if current is None or current.id != run.conversation_id:
            return Reaction("That conversation is over.")
        question = Question(self._once(press), GO_ON, press.lane, "telegram", press.to.reply_to)
        return Reaction("Going on.", question)

    def _new(self, press: Press, run: RunView) -> Reaction:
        """Begin a conversation as `/new` does; a second press finds it begun."""
        current = find_current(press.conn, press.lane)
        if current is None or current.id != run.conversation_id:
            return Reaction("A new conversation has begun already.")
        self._asker.begin(press.conn, press.lane, "telegram", press.now_ms)
        return Reaction("A new conversation.", notice=words.NEW_CONVERSATION)

    def _once(self, press: Press) -> str:
        """Return the request id of all presses of one button."""
        return f"telegram-{self._bot_id}-{press.action}-{press.ref}"
