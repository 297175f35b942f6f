"""Does what the chat's commands say, inside the unit that handles the update."""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom import __version__
from wireroom.clock import Clock, to_ms
from wireroom.delivery.outbox import Recipient
from wireroom.intake import words
from wireroom.intake.again import same_question
from wireroom.intake.ask import Asker
from wireroom.intake.commands import Command, CommandName
from wireroom.jobs.port import Jobs
from wireroom.runs.cancel import Cancelled, cancel_run
from wireroom.runs.queries import recent_runs, unfinished_runs


class ChatCommands:
    """The commands of `intake.commands`, except what access needs first."""

    def __init__(self, jobs: Jobs, clock: Clock, asker: Asker) -> None:
        """Keep the neighbours."""
        self._jobs = jobs
        self._clock = clock
        self._asker = asker

    def reply(
        self, conn: Connection, lane: str, to: Recipient, command: Command, update_id: int
    ) -> str | None:
        """Do the command and return what to say; None when its answer comes from a run."""
        match command.name:
            case CommandName.START | CommandName.HELP | CommandName.PAIR:
                return words.greeting(self._asker.backend)
            case CommandName.STATUS:
                return self._status(conn, lane)
            case CommandName.QUEUE:
                return words.queue(unfinished_runs(conn, lane))
            case CommandName.NEW:
                self._asker.begin(conn, lane, "telegram", to_ms(self._clock.now()))
                return words.NEW_CONVERSATION
            case CommandName.STOP:
                return self._stop(conn, lane, everything=command.rest.lower() == "all")
            case CommandName.RETRY:
                return self._retry(conn, lane, to, update_id)

    def _status(self, conn: Connection, lane: str) -> str:
        unfinished = unfinished_runs(conn, lane)
        now_ms = to_ms(self._clock.now())
        return words.status(self._asker.backend, unfinished, version=__version__, now_ms=now_ms)

    def _stop(self, conn: Connection, lane: str, *, everything: bool) -> str:
        """Stop the first request, which runs or is the next to run, or with `everything` all of them."""
        stopping = removed = left = 0
        for place, run in enumerate(unfinished_runs(conn, lane)):
            if place > 0 and not everything:
                left += 1
                continue
            done = cancel_run(conn, self._jobs, run.id, to_ms(self._clock.now()))
            stopping += done is Cancelled.STOPPING
            removed += done is Cancelled.REMOVED
        return words.stopped(stopping=stopping, removed=removed, left=left)

    def _retry(self, conn: Connection, lane: str, to: Recipient, update_id: int) -> str | None:
        """Ask the last request of the lane again that is over."""
        ended = (run for run in recent_runs(conn, lane=lane, limit=20) if run.state.is_final)
        run = next(ended, None)
        if run is None:
            return words.NOTHING_TO_RETRY
        question = same_question(run, f"telegram-{to.bot_id}-{update_id}", message_id=to.reply_to)
        self._asker.ask(conn, question, to_ms(self._clock.now()), to=to)
        return None
