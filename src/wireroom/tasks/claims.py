"""Takes a task off the board: its row, its details, its run and the run's job, together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from wireroom.conversations.threads import (
    Conversation,
    NewConversation,
    begin_conversation,
    find_current,
)
from wireroom.errors import Conflict
from wireroom.jobs.port import Jobs
from wireroom.runs.feed import Feed, lane_topic
from wireroom.runs.options import RunOptions
from wireroom.runs.records import NewRun, create_run
from wireroom.runs.telling import BOARD
from wireroom.store.database import after_commit
from wireroom.store.statement import Statement
from wireroom.tasks.choice import Candidate
from wireroom.tasks.states import stamp

REMOTE = "remote"
"""The back end whose repositories are elsewhere."""

_TAKE = Statement("""
    UPDATE tasks SET status = 4, updatedat = :now WHERE id = :task_id AND status = :seen
    RETURNING CAST(prompt AS TEXT)
""")
"""Mark the task as in progress, if it stands where it was seen."""

_HOLD = Statement("""
    INSERT INTO task_details (task_id, epoch, run_id, updated_at) VALUES (:task_id, 1, :run_id, :now_ms)
    ON CONFLICT (task_id) DO UPDATE SET epoch = task_details.epoch + 1, run_id = excluded.run_id,
        failures = CASE task_details.is_dead WHEN 1 THEN 0 ELSE task_details.failures END,
        is_dead = 0, next_try_at = NULL, reason = NULL, updated_at = excluded.updated_at
    WHERE task_details.run_id IS NULL AND task_details.epoch = :seen
    RETURNING epoch, repository, branch, backend
""")
"""Fence the task for one run: nobody else holds it, and nobody has since it was seen."""

_RENUMBER = Statement("UPDATE task_details SET epoch = :epoch WHERE task_id = :task_id")
"""Skip numbers that belonged to an earlier task of this id."""

_BEGIN = Statement("""
    INSERT INTO task_attempts (task_id, number, run_id, request_id, state, started_at)
    VALUES (:task_id, :number, :run_id, :request_id, 'running', :now_ms)
""")
"""Note the attempt."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A task that a run of ours works on from now on."""

    task_id: int
    number: int
    prompt: str
    run_id: str


@dataclass(frozen=True, slots=True)
class Hiring:
    """What a task's run is made of."""

    jobs: Jobs
    feed: Feed
    backend: str
    """For tasks that name none."""
    repositories: Path
    workdir: Callable[[str], str]
    """Gives the folder of a conversation by its id."""
    new_id: Callable[[str], str]
    """Gives a fresh id with the prefix."""

    def claim(self, conn: Connection, candidate: Candidate, now_ms: int) -> Claimed | None:
        """Take the task and create its run with its job; None when it stands elsewhere by now.

        Raises:
            Conflict: another worker holds it; nothing of the unit may be kept.
        """
        taken = _TAKE.row(conn, task_id=candidate.id, seen=candidate.status, now=stamp(now_ms))
        if taken is None:
            return None
        run_id = self.new_id("run")
        held = _HOLD.row(conn, task_id=candidate.id, run_id=run_id, seen=candidate.epoch, now_ms=now_ms)
        if held is None:
            raise Conflict(f"Task {candidate.id} is held by another worker.")
        epoch, repository, branch, backend = held
        # No program can be given a NUL, and one must not keep the task from being tried.
        claimed = Claimed(candidate.id, epoch, taken[0].replace("\0", ""), run_id)
        return self._begin(conn, claimed, (repository, branch, backend or self.backend), now_ms)

    def _begin(
        self, conn: Connection, claimed: Claimed, place: tuple[str | None, str | None, str], now_ms: int
    ) -> Claimed:
        repository, branch, backend = place
        lane = lane_of(claimed.task_id)
        conversation = self._conversation(conn, lane, now_ms)
        is_here = repository is not None and backend != REMOTE
        number = claimed.number
        new = NewRun(
            id=claimed.run_id,
            request_id=request_id_of(claimed.task_id, number),
            conversation_id=conversation.id,
            lane=lane,
            source=BOARD,
            prompt=claimed.prompt,
            backend=backend,
            workdir=str(self.repositories / repository) if is_here and repository else conversation.workdir,
            options=RunOptions(repository=repository, branch_name=branch, worktree=is_here, unattended=True),
        )
        while not create_run(conn, self.jobs, new, now_ms):
            # A task that was deleted had this id before: its runs keep their names.
            number += 1
            new = replace(new, request_id=request_id_of(claimed.task_id, number))
        if number != claimed.number:
            _RENUMBER.run(conn, task_id=claimed.task_id, epoch=number)
        _BEGIN.run(
            conn,
            task_id=claimed.task_id,
            number=number,
            run_id=new.id,
            request_id=new.request_id,
            now_ms=now_ms,
        )
        after_commit(conn, partial(self.feed.publish, lane_topic(lane)))
        return Claimed(claimed.task_id, number, claimed.prompt, new.id)

    def _conversation(self, conn: Connection, lane: str, now_ms: int) -> Conversation:
        """Return the task's conversation: a further attempt knows what the ones before it did."""
        known = find_current(conn, lane)
        if known is not None:
            return known
        name = self.new_id("conversation")
        return begin_conversation(conn, NewConversation(name, BOARD, lane, self.workdir(name)), now_ms)


def request_id_of(task_id: int, number: int) -> str:
    """Return the request id of an attempt: the same for ever, so that nothing is asked twice. Pure."""
    return f"task-{task_id}-{number}"


def lane_of(task_id: int) -> str:
    """Return the lane of a task: its runs go one at a time, whatever happens. Pure."""
    return f"task:{task_id}"
