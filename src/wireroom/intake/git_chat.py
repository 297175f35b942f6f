"""`/commit`, `/push` and `/pr` in a chat: shown first, done when a person confirms it.

The command only queues a look. The look says what would be done, below it a button that carries the mark of
what was seen; the press queues the step. Both jobs end in the commit that stores what is said, and a step
that a crash repeats is found done, so nothing happens twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.conversations.threads import find_current
from wireroom.delivery.outbox import Button, Recipient, send_notice
from wireroom.errors import BadInput, Conflict, NotFound
from wireroom.intake import git_words
from wireroom.intake.accept import payload_of
from wireroom.intake.commands import parse_command
from wireroom.intake.update import Said, read_update
from wireroom.jobs.port import Done, Job, Jobs, Outcome
from wireroom.runs.queries import last_ended
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently
from wireroom.workspaces.git import GitFailed
from wireroom.workspaces.git_steps import GitSteps

QUEUE = "git"
KIND = "git-step"
_TITLE_CHARS = 72


class Step(StrEnum):
    """What may be done."""

    COMMIT = "commit"
    PUSH = "push"
    PULL = "pr"


_CONFIRM = {
    Step.COMMIT: "✅ Commit",
    Step.PUSH: "✅ Push",
    Step.PULL: "✅ Open the pull request",
}


@dataclass(frozen=True, slots=True)
class StepRef:
    """Which step of which command: `commit.81.` to look, `commit.81.1f2e3d4c5b6a` to do what was seen."""

    step: Step
    update_id: int
    """Of the message that holds the command."""
    mark: str = ""

    def __str__(self) -> str:
        """Return it as jobs and buttons carry it."""
        return f"{self.step}.{self.update_id}.{self.mark}"

    @classmethod
    def read(cls, text: str) -> StepRef:
        """Read what `str` returned.

        Raises:
            ValueError: it is something else.
        """
        step, update_id, mark = text.split(".")
        return cls(Step(step), int(update_id), mark)


def enqueue_step(conn: Connection, jobs: Jobs, lane: str, ref: StepRef) -> None:
    """Have the step looked at or done in its turn; while that waits, the same again is the same."""
    jobs.enqueue(
        conn, queue=QUEUE, kind=KIND, ref=str(ref), key=f"{QUEUE}:{lane}", dedupe=f"{KIND}:{lane}:{ref}"
    )


@dataclass(frozen=True, slots=True)
class _Scene:
    """A command and what it is about."""

    to: Recipient
    folder: Path | None
    """The current conversation's, if it is a checkout."""
    words: str
    """What follows the command, else what the last request was about."""


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    mark: str = ""
    """Of what may be confirmed; empty when nothing may."""


class GitChat:
    """The handler of jobs of kind `git-step`."""

    def __init__(self, *, db: Database, jobs: Jobs, clock: Clock, steps: GitSteps, bot_id: int) -> None:
        """Keep the neighbours."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._bot_id = bot_id
        self._looks: Mapping[Step, Callable[[_Scene, Path], Awaitable[_Reply]]] = {
            Step.COMMIT: partial(_look_at_commit, steps),
            Step.PUSH: partial(_look_at_push, steps),
            Step.PULL: partial(_look_at_pull, steps),
        }
        self._deeds: Mapping[Step, Callable[[_Scene, Path, str], Awaitable[str]]] = {
            Step.COMMIT: partial(_commit, steps),
            Step.PUSH: partial(_push, steps),
            Step.PULL: partial(_open_pull, steps),
        }

    async def handle(self, job: Job) -> Outcome:
        """Look or do, and say in the chat what came of it; see `jobs.port.Handler`."""
        ref = StepRef.read(job.ref)
        scene = await self._db.read(lambda conn: self._scene(conn, ref))
        if scene is None:
            return Done()
        reply = await self._reply(scene, ref)
        await write_patiently(self._db, lambda conn: self._say(conn, job, scene, ref, reply), what=str(ref))
        return Done()

    async def _reply(self, scene: _Scene, ref: StepRef) -> _Reply:
        if scene.folder is None or not await asyncio.to_thread((scene.folder / ".git").exists):
            return _Reply(git_words.NO_GIT)
        try:
            if ref.mark:
                return _Reply(await self._deeds[ref.step](scene, scene.folder, ref.mark))
            return await self._looks[ref.step](scene, scene.folder)
        except (GitFailed, BadInput, Conflict, NotFound) as error:
            return _Reply(git_words.refused(str(error)))

    def _say(self, conn: Connection, job: Job, scene: _Scene, ref: StepRef, reply: _Reply) -> None:
        again = StepRef(ref.step, ref.update_id, reply.mark)
        buttons = (Button(_CONFIRM[ref.step], f"w:git:{again}"),) if reply.mark else ()
        now_ms = to_ms(self._clock.now())
        send_notice(conn, self._jobs, scene.to, reply.text, now_ms=now_ms, buttons=buttons)
        self._jobs.finish(conn, job)

    def _scene(self, conn: Connection, ref: StepRef) -> _Scene | None:
        """Return what the command is about; None when its message is not kept any more."""
        payload = payload_of(conn, self._bot_id, ref.update_id)
        said = None if payload is None else read_update(payload)
        if not isinstance(said, Said) or (command := parse_command(said.text)) is None:
            return None
        place, lane = said.place, said.place.lane(self._bot_id)
        to = Recipient(lane, self._bot_id, place.chat_id, place.thread_id, place.message_id)
        current = find_current(conn, lane)
        last = last_ended(conn, lane)
        return _Scene(
            to,
            Path(current.workdir) if current else None,
            command.rest or (title_of(last.prompt) if last else "Work of a coding agent"),
        )


async def _look_at_commit(steps: GitSteps, scene: _Scene, folder: Path) -> _Reply:
    seen = await steps.look_at_commit(folder)
    return _Reply(git_words.commit_look(seen, scene.words), seen.mark)


async def _look_at_push(steps: GitSteps, _: _Scene, folder: Path) -> _Reply:
    seen = await steps.look_at_push(folder)
    return _Reply(git_words.push_look(seen), seen.mark)


async def _look_at_pull(steps: GitSteps, scene: _Scene, folder: Path) -> _Reply:
    seen = await steps.look_at_pull(folder)
    return _Reply(git_words.pull_look(seen, title_of(scene.words)), seen.mark)


async def _commit(steps: GitSteps, scene: _Scene, folder: Path, mark: str) -> str:
    return git_words.committed(await steps.commit(folder, scene.words, mark))


async def _push(steps: GitSteps, _: _Scene, folder: Path, mark: str) -> str:
    return git_words.pushed(await steps.push(folder, mark))


async def _open_pull(steps: GitSteps, scene: _Scene, folder: Path, mark: str) -> str:
    return git_words.opened(await steps.open_pull(folder, title_of(scene.words), mark))


def title_of(text: str) -> str:
    """Return the first line, as long as a commit's first line may be. Pure."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= _TITLE_CHARS else line[: _TITLE_CHARS - 1] + "…"
