"""Does what the chat's commands say, inside the unit that handles the update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

from wireroom import __version__
from wireroom.clock import Clock, to_ms
from wireroom.conversations.chat_settings import change_chat_settings
from wireroom.delivery.outbox import Recipient
from wireroom.intake import words
from wireroom.intake.again import same_question
from wireroom.intake.ask import Asker
from wireroom.intake.busy import read_mode
from wireroom.intake.busy_asking import BusyAsker
from wireroom.intake.choices import Choices
from wireroom.intake.commands import Command, CommandName
from wireroom.intake.git_chat import Step, StepRef, enqueue_step
from wireroom.intake.look_command import rich_reply
from wireroom.intake.preferences import Chooser, Preferences
from wireroom.intake.projects import Projects
from wireroom.intake.reply import Reply
from wireroom.intake.setting_command import settings_reply
from wireroom.intake.side_questions import SideQuestion, SideQuestions
from wireroom.intake.timetable import Timetable
from wireroom.intake.topic_command import TopicCommand
from wireroom.jobs.port import Jobs
from wireroom.runs.cancel import Cancelled, cancel_run
from wireroom.runs.queries import last_ended, unfinished_runs
from wireroom.runs.side import side_lane


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent a command."""

    user_id: int
    is_owner: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A command with all that doing it needs."""

    conn: Connection
    lane: str
    to: Recipient
    rest: str
    """What follows the command on its line."""
    update_id: int
    who: Sender


class TaskDesk(Protocol):
    """The task board, as chats see it."""

    def listing(self, conn: Connection) -> str:
        """Return what is on the board."""
        ...

    def add(self, conn: Connection, text: str, now_ms: int) -> str:
        """Put a task on the board and return what to say."""
        ...

    def operator(self, conn: Connection, rest: str, *, who: str, is_owner: bool, now_ms: int) -> str:
        """Switch the operator, or tell how it stands."""
        ...


class ChatCommands:
    """The commands of `intake.commands`, except what access needs first."""

    def __init__(
        self,
        jobs: Jobs,
        clock: Clock,
        asker: Asker,
        choices: Choices,
        *,
        tasks: TaskDesk,
        busy: BusyAsker,
        sides: SideQuestions,
        preferences: Preferences,
        times: Timetable,
    ) -> None:
        """Keep the neighbours."""
        self.preferences = preferences
        self._times = times
        self._busy = busy
        self._sides = sides
        self._jobs = jobs
        self._clock = clock
        self._asker = asker
        self._task_desk = tasks
        self._projects, self._topics = Projects(asker, choices), TopicCommand(jobs, choices)
        self._replies: Mapping[CommandName, Callable[[Asked], str | Reply | None]] = {
            CommandName.START: self._greet,
            CommandName.HELP: self._greet,
            CommandName.PAIR: self._greet,
            CommandName.STATUS: self._status,
            CommandName.QUEUE: lambda asked: words.queue(unfinished_runs(asked.conn, asked.lane)),
            CommandName.BUSY: self._busy_mode,
            CommandName.BTW: self._aside,
            CommandName.NEW: self._new,
            CommandName.STOP: self._stop,
            CommandName.RETRY: self._retry,
            CommandName.DIFF: lambda asked: words.diff(last_ended(asked.conn, asked.lane)),
            CommandName.COMMIT: lambda asked: self._step(asked, Step.COMMIT),
            CommandName.PUSH: lambda asked: self._step(asked, Step.PUSH),
            CommandName.PR: lambda asked: self._step(asked, Step.PULL),
            CommandName.REPO: self._repository,
            CommandName.BACKEND: self._backend,
            CommandName.TOPIC: self._topic,
            CommandName.MODEL: lambda asked: preferences.model(self._chooser(asked), asked.rest),
            CommandName.EFFORT: lambda asked: preferences.effort(self._chooser(asked), asked.rest),
            CommandName.BUDGET: lambda asked: preferences.budget(self._chooser(asked), asked.rest),
            CommandName.DIGEST: lambda asked: times.digest(*self._timed(asked)),
            CommandName.QUIET: lambda asked: times.quiet(*self._timed(asked)),
            CommandName.RICH: self._rich,
            CommandName.SETTINGS: self._settings,
            CommandName.TASKS: lambda asked: self._task_desk.listing(asked.conn),
            CommandName.TASK: self._task,
            CommandName.OPERATOR: self._operator,
        }

    def reply(
        self, conn: Connection, lane: str, to: Recipient, command: Command, *, update_id: int, who: Sender
    ) -> str | Reply | None:
        """Do the command and return what to say; None when its answer comes from a run or a job."""
        return self._replies[command.name](Asked(conn, lane, to, command.rest, update_id, who))

    def _greet(self, asked: Asked) -> str:
        del asked
        return words.greeting(self._asker.backend)

    def _new(self, asked: Asked) -> str:
        self._asker.begin(asked.conn, asked.lane, "telegram", to_ms(self._clock.now()))
        return words.NEW_CONVERSATION

    def _busy_mode(self, asked: Asked) -> str:
        """Choose what messages mean while an agent is at work, or tell what they mean."""
        wanted = asked.rest.lower()
        mode = read_mode(wanted)
        if mode is None:
            return words.busy_modes(self._busy.mode_of(asked.conn, asked.lane), wanted=wanted)
        change_chat_settings(asked.conn, asked.lane, to_ms(self._clock.now()), busy=mode.value)
        return words.with_busy(mode)

    def _aside(self, asked: Asked) -> str | Reply | None:
        now_ms, to = to_ms(self._clock.now()), asked.to
        side = SideQuestion(asked.lane, to, asked.rest, f"telegram-{to.bot_id}-{asked.update_id}")
        spending = self.preferences.spending
        return self._sides.ask(
            asked.conn, side, now_ms, lambda: spending.refusal(asked.conn, asked.lane, now_ms)
        )

    def _status(self, asked: Asked) -> str:
        unfinished = unfinished_runs(asked.conn, asked.lane)
        now_ms = to_ms(self._clock.now())
        head = words.status(self._asker.backend, unfinished, version=__version__, now_ms=now_ms)
        chosen = self.preferences.status(asked.conn, asked.lane, now_ms)
        return "\n".join((head, *chosen, *self._times.status(asked.conn, asked.lane, now_ms)))

    def _chooser(self, asked: Asked) -> Chooser:
        return Chooser(asked.conn, asked.lane, to_ms(self._clock.now()), is_owner=asked.who.is_owner)

    def _timed(self, asked: Asked) -> tuple[Connection, str, str, int]:
        return asked.conn, asked.lane, asked.rest, to_ms(self._clock.now())

    def _rich(self, asked: Asked) -> str:
        now_ms = to_ms(self._clock.now())
        return rich_reply(asked.conn, asked.lane, asked.to.chat_id, asked.rest, now_ms)

    def _settings(self, asked: Asked) -> str:
        who, now_ms = f"telegram {asked.who.user_id}", to_ms(self._clock.now())
        return settings_reply(asked.conn, asked.rest, who=who, is_owner=asked.who.is_owner, now_ms=now_ms)

    def _task(self, asked: Asked) -> str:
        return self._task_desk.add(asked.conn, asked.rest, to_ms(self._clock.now()))

    def _operator(self, asked: Asked) -> str:
        who, now_ms = f"telegram {asked.who.user_id}", to_ms(self._clock.now())
        return self._task_desk.operator(
            asked.conn, asked.rest, who=who, is_owner=asked.who.is_owner, now_ms=now_ms
        )

    def _stop(self, asked: Asked) -> str:
        """Stop the first request, which runs or is the next to run, or with `all` every one.

        A side question is stopped with all, or when there is nothing else.
        """
        conn, everything = asked.conn, asked.rest.lower() == "all"
        stopping = removed = left = 0
        found = list(unfinished_runs(conn, asked.lane))
        if everything or not found:
            found += unfinished_runs(conn, side_lane(asked.lane))
        for place, run in enumerate(found):
            if place > 0 and not everything:
                left += 1
                continue
            done = cancel_run(conn, self._jobs, run.id, to_ms(self._clock.now()))
            stopping += done is Cancelled.STOPPING
            removed += done is Cancelled.REMOVED
        return words.stopped(stopping=stopping, removed=removed, left=left)

    def _retry(self, asked: Asked) -> str | Reply | None:
        """Ask the last request of the lane again that is over."""
        run, to = last_ended(asked.conn, asked.lane), asked.to
        if run is None:
            return words.NOTHING_TO_RETRY
        now_ms = to_ms(self._clock.now())
        if (refusal := self.preferences.spending.refusal(asked.conn, asked.lane, now_ms)) is not None:
            return refusal
        question = same_question(run, f"telegram-{to.bot_id}-{asked.update_id}", message_id=to.reply_to)
        self._asker.ask(asked.conn, question, now_ms, to=to)
        return None

    def _step(self, asked: Asked, step: Step) -> None:
        """Have a git step looked at; what it shows comes from its job."""
        enqueue_step(asked.conn, self._jobs, asked.lane, StepRef(step, asked.update_id))

    def _repository(self, asked: Asked) -> str:
        now_ms = to_ms(self._clock.now())
        return self._projects.choose_repository(asked.conn, asked.to, asked.rest, now_ms)

    def _backend(self, asked: Asked) -> str:
        now_ms = to_ms(self._clock.now())
        return self._projects.choose_backend(asked.conn, asked.to, asked.rest.lower(), now_ms)

    def _topic(self, asked: Asked) -> str | None:
        now_ms = to_ms(self._clock.now())
        return self._topics.reply(asked.conn, asked.to, asked.rest, update_id=asked.update_id, now_ms=now_ms)
