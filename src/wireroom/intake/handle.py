"""Handles a stored update: one unit of work that decides and does everything that follows from it.

Nothing is sent from here. Runs, notices and placeholders are rows of the same commit that closes the update,
so a crash before it changes nothing and a crash after it loses nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.delivery.outbox import Button, Recipient, send_notice
from wireroom.intake import people, words
from wireroom.intake.accept import UpdateState, close_update, correct_note, take_update
from wireroom.intake.access import Access, Role, access_of
from wireroom.intake.ask import Asker, Question
from wireroom.intake.busy_asking import BusyAsker
from wireroom.intake.chat_commands import ChatCommands, Sender
from wireroom.intake.commands import parse_command
from wireroom.intake.ears import NAME_SECONDS, Ears, NameUnknown
from wireroom.intake.file_requests import FileRequests
from wireroom.intake.hints import Hints
from wireroom.intake.own_buttons import OwnButtons, Press, Reaction
from wireroom.intake.reply import Reply, as_reply
from wireroom.intake.update import Incoming, Other, Place, Pressed, Said, Speaker, read_update
from wireroom.jobs.port import Dead, Done, Job, Jobs, Outcome, RunAgainAt
from wireroom.runs.joining import reword
from wireroom.runs.options import RunOptions
from wireroom.runs.permissions import press_answer
from wireroom.runs.queries import run_of_message
from wireroom.speech.limits import Recording
from wireroom.store.database import Database, after_commit
from wireroom.store.patience import write_patiently
from wireroom.workspaces.given import FileLimits

_log = structlog.get_logger(__name__)
_MOST_CRASHES = 5
"""Starts beyond the last try after which an update is taken for what kills the process."""


@dataclass(frozen=True, slots=True)
class _Scene:
    """Everything about one update that its handling needs."""

    conn: Connection
    row_id: int
    lane: str
    to: Recipient
    now_ms: int


class UpdateHandler:
    """The handler of jobs of kind `update`."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        hints: Hints,
        asker: Asker,
        busy: BusyAsker,
        commands: ChatCommands,
        bot_id: int,
        bot_username: Callable[[], str],
        allowed: Collection[int],
        max_attempts: int,
        publish: Callable[[str], None],
        deafness: Callable[[Recording], str | None] = lambda _: words.ONLY_TEXT,
        files: FileLimits | None = None,
    ) -> None:
        """Keep the neighbours.

        `allowed` are the ids that need no pairing, `publish` wakes who waits, and `deafness` tells why nobody
        listens to a recording, None when somebody does.
        """
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._hints = hints
        self._busy = busy
        self._commands = commands
        self._bot_id = bot_id
        self._bot_username = bot_username
        self._ears = Ears(jobs, bot_id, bot_username)
        self._spending = commands.preferences.spending
        self._buttons = OwnButtons(jobs, asker, bot_id, commands.preferences)
        self._allowed = allowed
        self._max_attempts = max_attempts
        self._publish = publish
        self._deafness = deafness
        self._files = FileRequests(bot_id, files or FileLimits())

    async def handle(self, job: Job) -> Outcome:
        """Handle the update that the job points at; the last failed try makes it a dead letter.

        One that fails without an exception, because the process dies of it, is not tried for ever either.
        """
        if job.attempt > self._max_attempts + _MOST_CRASHES:
            return await self._set_aside(job, "The service died each time that it handled this.")
        what = f"update {job.ref}"
        try:
            await write_patiently(self._db, functools.partial(self._unit, job), what=what)
        except NameUnknown:
            return RunAgainAt(self._clock.now() + NAME_SECONDS)
        except Exception as error:
            if job.attempt < self._max_attempts:
                raise
            _log.exception("update_given_up", update=job.ref, attempts=job.attempt)
            return await self._set_aside(job, f"{type(error).__name__}: {error}"[:500])
        return Done()

    async def _set_aside(self, job: Job, reason: str) -> Dead:
        what = f"update {job.ref}"
        await write_patiently(self._db, functools.partial(self._give_up, job, reason), what=what)
        return Dead(reason)

    def _give_up(self, job: Job, reason: str, conn: Connection) -> None:
        close_update(conn, int(job.ref), UpdateState.DEAD, reason, to_ms(self._clock.now()))

    def _unit(self, job: Job, conn: Connection) -> None:
        row_id = int(job.ref)
        now_ms = to_ms(self._clock.now())
        payload = take_update(conn, row_id, now_ms)
        if payload is not None:
            state, reason = self._act(conn, row_id, payload, now_ms)
            if state is not UpdateState.DONE or reason is not None:
                correct_note(conn, row_id, state, reason)
        self._jobs.finish(conn, job)

    def _act(
        self, conn: Connection, row_id: int, payload: str, now_ms: int
    ) -> tuple[UpdateState, str | None]:
        incoming = read_update(payload)
        match incoming:
            case Other(kind=kind):
                return UpdateState.IGNORED, kind
            case Pressed(place=None):
                return UpdateState.IGNORED, "a button without a chat"
            case Pressed(place=Place() as place) | Said(place=place):
                scene = self._scene(conn, row_id, place, now_ms)
        if isinstance(incoming, Said):
            heard = self._ears.listen(conn, incoming, payload, now_ms)
            if isinstance(heard, str):
                return UpdateState.IGNORED, heard
            incoming = heard
        access = self._access(scene, incoming)
        if access is not Access.GRANTED:
            return self._refuse(scene, incoming, access)
        if isinstance(incoming, Pressed):
            return self._press(scene, incoming)
        return self._edited(scene, incoming) if incoming.edited else self._said(scene, incoming)

    def _scene(self, conn: Connection, row_id: int, place: Place, now_ms: int) -> _Scene:
        lane = place.lane(self._bot_id)
        to = Recipient(lane, self._bot_id, place.chat_id, place.thread_id, place.message_id)
        return _Scene(conn, row_id, lane, to, now_ms)

    def _access(self, scene: _Scene, incoming: Said | Pressed) -> Access:
        user_id = incoming.speaker.user_id
        known = user_id in self._allowed
        role = None if known else people.role_of(scene.conn, self._bot_id, user_id)
        return access_of(user_id, allowed=self._allowed, role=role)

    def _is_owner(self, scene: _Scene, speaker: Speaker) -> bool:
        """Tell whether the person is the first who paired, or named by the setting."""
        if speaker.user_id in self._allowed:
            return True
        return people.role_of(scene.conn, self._bot_id, speaker.user_id) is Role.OWNER

    def _refuse(self, scene: _Scene, incoming: Incoming, access: Access) -> tuple[UpdateState, str | None]:
        if isinstance(incoming, Said) and people.pairs(scene.conn, self._bot_id, incoming, scene.now_ms):
            self._notify(scene, words.PAIRED)
            return UpdateState.DONE, None
        if access is Access.REFUSE and isinstance(incoming, Said) and not incoming.edited:
            people.note_stranger(scene.conn, self._bot_id, incoming.speaker, scene.now_ms)
            self._notify(scene, words.refusal(incoming.speaker.user_id))
        return UpdateState.REFUSED, "not allowed to talk to this bot"

    def _said(self, scene: _Scene, said: Said) -> tuple[UpdateState, str | None]:
        command = None if said.origin else parse_command(said.text, self._bot_username())
        if command is not None:
            who = Sender(said.speaker.user_id, is_owner=self._is_owner(scene, said.speaker))
            reply = self._commands.reply(
                scene.conn, scene.lane, scene.to, command, update_id=said.update_id, who=who
            )
            if reply is not None:
                self._answer(scene, as_reply(reply))
        elif said.recording is not None:
            self._listen(scene, said, said.recording)
        elif said.files:
            self._take_files(scene, said)
        elif not said.text:
            self._notify(scene, words.ONLY_TEXT)
        else:
            self._ask(scene, said.words, f"telegram-{self._bot_id}-{said.update_id}")
        return UpdateState.DONE, None

    def _listen(self, scene: _Scene, said: Said, recording: Recording) -> None:
        """Ask what was spoken, whose words come later; or say at once why nobody listens."""
        if (refusal := self._deafness(recording)) is not None:
            self._notify(scene, refusal)
            return
        options = RunOptions(recording=recording)
        request_id = f"telegram-{self._bot_id}-{said.update_id}"
        where = (scene.lane, "telegram", scene.to.reply_to)
        self._ask_question(scene, Question(request_id, recording.title, *where, options=options))

    def _take_files(self, scene: _Scene, said: Said) -> None:
        asked = self._files.question(scene.conn, said, scene.lane, scene.now_ms)
        if isinstance(asked, str):
            self._notify(scene, asked)
        elif asked is not None:
            self._ask_question(scene, asked)

    def _ask(self, scene: _Scene, text: str, request_id: str) -> None:
        self._ask_question(scene, Question(request_id, text, scene.lane, "telegram", scene.to.reply_to))

    def _ask_question(self, scene: _Scene, question: Question) -> None:
        refusal = self._spending.refusal(scene.conn, scene.lane, scene.now_ms, row_id=scene.row_id)
        if refusal is not None:
            self._answer(scene, refusal)
            return
        if self._busy.ask(scene.conn, question, scene.now_ms, to=scene.to):
            chat_id, thread_id = scene.to.chat_id, scene.to.thread_id
            after_commit(scene.conn, lambda: self._hints.typing(chat_id, thread_id))

    def _edited(self, scene: _Scene, said: Said) -> tuple[UpdateState, str | None]:
        """Give a waiting request its new wording; offer to run one that has begun again."""
        run = run_of_message(scene.conn, scene.lane, said.place.message_id)
        if said.files:
            state, reason, told = self._files.edited(scene.conn, said, run)
            if told:
                self._notify(scene, told)
            return state, reason
        if run is None or not said.text or said.recording is not None or run.prompt == said.words:
            return UpdateState.IGNORED, "an edit that changes no request"
        if reword(scene.conn, run, said.words, scene.now_ms):
            return UpdateState.DONE, "new wording of a waiting request"
        button = Button("▶️ Run the new wording", f"w:rerun:{scene.row_id}")
        self._notify(scene, words.EDITED_TOO_LATE, buttons=(button,))
        return UpdateState.DONE, "offered to run the new wording"

    def _press(self, scene: _Scene, pressed: Pressed) -> tuple[UpdateState, str | None]:
        said = self._do_press(scene, pressed)
        callback_id = pressed.callback_id
        after_commit(scene.conn, lambda: self._hints.answer_press(callback_id, said))
        return UpdateState.DONE, None

    def _do_press(self, scene: _Scene, pressed: Pressed) -> str:
        """Do what the button says and return the line that acknowledges it."""
        match pressed.data.split(":", 2):
            case ["w", "allow" | "session" | "deny" as word, ref]:
                by = f"telegram {pressed.speaker.user_id}"
                return press_answer(
                    scene.conn,
                    word,
                    ref,
                    lane=scene.lane,
                    by=by,
                    now_ms=scene.now_ms,
                    publish=self._publish,
                )
            case ["w", action, ref]:
                is_owner = self._is_owner(scene, pressed.speaker)
                place = Press(scene.conn, action, ref, scene.lane, scene.to, scene.now_ms, is_owner)
                return self._obey(scene, self._buttons.react(place))
            case _ if pressed.data:
                self._ask(scene, pressed.data, f"telegram-{self._bot_id}-{pressed.update_id}")
                return "Processing …"
            case _:
                return "This button says nothing."

    def _obey(self, scene: _Scene, reaction: Reaction) -> str:
        if reaction.question is not None:
            self._ask_question(scene, reaction.question)
        if reaction.notice is not None:
            self._notify(scene, reaction.notice)
        return reaction.said

    def _answer(self, scene: _Scene, reply: Reply) -> None:
        self._notify(scene, reply.text, reply.buttons)

    def _notify(self, scene: _Scene, body: str, buttons: tuple[Button, ...] = ()) -> None:
        send_notice(scene.conn, self._jobs, scene.to, body, now_ms=scene.now_ms, buttons=buttons)
