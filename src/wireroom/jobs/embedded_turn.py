"""One turn of the embedded worker, as a unit of work: endings in, claims out, one commit.

It runs on the writer thread and touches nothing but its own fields and the connection.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from wireroom.clock import to_ms
from wireroom.jobs.claims import Candidate, choose
from wireroom.jobs.endings import Bury, Ending, GiveBack, Remove
from wireroom.jobs.port import Job
from wireroom.store import job_rows
from wireroom.store.database import driver
from wireroom.store.job_rows import Claim

_MAX_PROMOTED = 1_000
_MAX_SORTED = 2_000
_SORT_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Ended:
    """A job whose handler has ended, and what becomes of it."""

    job: Job
    ending: Ending


@dataclass(slots=True)
class TurnResult:
    """What the turn did and found."""

    started: list[Candidate]
    first_epoch: int
    """The epoch of the first of `started`; the others follow."""
    left: AbstractSet[str]
    """Queues that may have more to claim: they had no room for it, or the turn would have held the writer."""
    next_due_ms: int | None
    cancelled_epochs: Sequence[int] = ()


@dataclass(slots=True)
class Turn:
    """What to write and how much to claim."""

    ended: list[Ended]
    room: Mapping[str, int]
    """Free slots by queue, only queues that have some; empty to claim nothing."""
    claimable: AbstractSet[str]
    """Queues that may have jobs which no turn has looked at."""
    kinds: tuple[str, ...]
    busy_keys: AbstractSet[str]
    now_ms: int
    worker: str
    first_epoch: int
    look_for_cancels: bool = False
    beat: bool = False
    """Write heartbeats, and take back running rows that this process does not know."""
    known: AbstractSet[tuple[int, int]] = field(default_factory=frozenset)
    """Claims that are at work here, as (id, epoch)."""
    sweep: bool = False
    """Another program may have deleted the job that others wait behind: let one of each key be claimed."""

    def __call__(self, conn: Connection) -> TurnResult:
        """Write the endings, then claim; see the module."""
        raw = driver(conn)
        claimable = self.claimable | self._write_endings(raw)
        if self.beat:
            claimable |= self._beat(raw)
        if self.sweep:
            idle = [key for key in job_rows.keys_behind(raw) if key not in self.busy_keys]
            claimable |= job_rows.release(raw, idle)
        claimable |= self._promote(raw)
        started, left = self._claim(raw, claimable)
        return TurnResult(
            started,
            self.first_epoch,
            left,
            job_rows.next_due_ms(raw),
            job_rows.cancelled_epochs(raw) if self.look_for_cancels else (),
        )

    def _write_endings(self, raw: Any) -> set[str]:
        """Write what ended; return the queues that have jobs to be claimed by it."""
        claimable: set[str] = set()
        removed: list[Claim] = []
        for ended in self.ended:
            claim = Claim(ended.job.id, ended.job.epoch)
            match ended.ending:
                case Remove():
                    removed.append(claim)
                case GiveBack(run_at, counted, error):
                    job_rows.give_back(
                        raw,
                        claim,
                        run_at_ms=to_ms(run_at),
                        now_ms=self.now_ms,
                        counted=counted,
                        error=error,
                    )
                    if to_ms(run_at) <= self.now_ms:
                        claimable.add(ended.job.queue)
                case Bury(error):
                    job_rows.bury(raw, claim, error)
        if removed:
            job_rows.remove(raw, removed)
        freed = {ended.job.key for ended in self.ended if ended.job.key is not None}
        return claimable | job_rows.release(raw, freed)

    def _beat(self, raw: Any) -> AbstractSet[str]:
        """Write heartbeats; return the queues that may have got back what this process does not know."""
        strangers = [(claim, key) for claim, key in job_rows.running(raw) if claim not in self.known]
        for claim, _ in strangers:
            job_rows.give_back(raw, claim, run_at_ms=self.now_ms, now_ms=self.now_ms, counted=True)
        job_rows.release(raw, [key for _, key in strangers if key is not None])
        job_rows.beat(raw, self.now_ms)
        return self.room.keys() if strangers else set()

    def _promote(self, raw: Any) -> set[str]:
        """Let delayed jobs be claimed that are due; a look first, since an update takes far longer."""
        next_due_ms = job_rows.next_due_ms(raw)
        if next_due_ms is None or next_due_ms > self.now_ms:
            return set()
        return job_rows.promote_due(raw, self.now_ms, _MAX_PROMOTED)

    def _claim(self, raw: Any, claimable: AbstractSet[str]) -> tuple[list[Candidate], AbstractSet[str]]:
        """Start jobs up to the room, put aside those that may not start; tell which queues may have more."""
        started: list[Candidate] = []
        room = {queue: free for queue, free in self.room.items() if queue in claimable}
        held = claimable - room.keys()
        busy = self.busy_keys
        looked_at, at_least = 0, 0
        while room and looked_at < _MAX_SORTED:
            candidates = self._candidates(raw, room, at_least)
            choice = choose(candidates, room, busy, self.now_ms)
            self._start(raw, choice.start, len(started))
            job_rows.put_aside(raw, "behind", choice.behind)
            job_rows.put_aside(raw, "delayed", choice.delayed)
            started += choice.start
            still_free = _room_left(room, choice.start)
            held |= room.keys() - still_free.keys()
            if not choice.behind and not choice.delayed:
                return started, held
            looked_at += len(candidates)
            at_least = _SORT_AT_ONCE
            busy = busy | {candidate.key for candidate in choice.start if candidate.key is not None}
            room = still_free
        return started, held | room.keys()

    def _candidates(self, raw: Any, room: Mapping[str, int], at_least: int) -> list[Candidate]:
        statement = job_rows.candidates_of(len(self.kinds))
        found = [
            Candidate(*row)
            for queue, free in room.items()
            for row in raw.execute(statement, (queue, *self.kinds, max(free, at_least)))
        ]
        return sorted(found) if len(room) > 1 else found

    def _start(self, raw: Any, chosen: Sequence[Candidate], already: int) -> None:
        first = self.first_epoch + already
        starts = ((first + offset, candidate.id) for offset, candidate in enumerate(chosen))
        job_rows.start(raw, starts, self.worker, self.now_ms)


def _room_left(room: Mapping[str, int], started: Sequence[Candidate]) -> dict[str, int]:
    left = dict(room)
    for candidate in started:
        left[candidate.queue] -= 1
    return {queue: free for queue, free in left.items() if free > 0}
