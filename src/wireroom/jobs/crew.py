"""The handlers at work in a worker process: named tasks with an owner, stopped with a reason, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from wireroom.jobs.endings import Ending, GiveBack, StopReason
from wireroom.jobs.port import Dead, Done, Handler, Job, Outcome, RunAgainAt
from wireroom.perf.sql_scope import Scope

log = structlog.get_logger(__name__)

_CLEAN_UP_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Report:
    """How a handler ended: by its outcome, stopped by us, or else by its error."""

    outcome: Outcome | None = None
    stopped: StopReason | None = None
    error: BaseException = field(default_factory=asyncio.CancelledError)


@dataclass(slots=True)
class _Member:
    job: Job
    task: asyncio.Task[Outcome] = field(init=False)
    stop: StopReason | None = None
    begun: bool = False


class Crew:
    """The running handlers of one worker, by the epoch of their claim."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._members: dict[int, _Member] = {}

    def __len__(self) -> int:
        return len(self._members)

    def claims(self) -> frozenset[tuple[int, int]]:
        """Return the (id, epoch) of every job at work now."""
        return frozenset((member.job.id, epoch) for epoch, member in self._members.items())

    def start(self, job: Job, handler: Handler, on_end: Callable[[Job, Report], None]) -> None:
        """Run the handler in a task of its own; `on_end` is called once, whatever becomes of it."""
        name = f"job:{job.kind}:{job.ref}"
        member = _Member(job)
        member.task = task = asyncio.get_running_loop().create_task(_call(handler, member), name=name)
        self._members[job.epoch] = member
        task.add_done_callback(partial(self._ended, member, on_end))

    def stop(self, epoch: int, reason: StopReason) -> bool:
        """Cancel the handler of a claim; False when it is not at work here."""
        member = self._members.get(epoch)
        if member is None:
            return False
        _stop(member, reason)
        return True

    def stop_ref(self, kind: str, ref: str, reason: StopReason) -> bool:
        """Cancel the handlers of (kind, ref); False when none is at work here."""
        found = [m for m in self._members.values() if m.job.kind == kind and m.job.ref == ref]
        for member in found:
            _stop(member, reason)
        return bool(found)

    async def dismiss(self, grace_seconds: float) -> None:
        """Give the handlers `grace_seconds` to end, then cancel them and wait briefly for their clean-up."""
        await self._wait(grace_seconds)
        for member in list(self._members.values()):
            _stop(member, StopReason.DRAIN)
        await self._wait(_CLEAN_UP_SECONDS)

    async def _wait(self, seconds: float) -> None:
        tasks = [member.task for member in self._members.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def _ended(self, member: _Member, on_end: Callable[[Job, Report], None], task: asyncio.Task[Any]) -> None:
        del self._members[member.job.epoch]
        on_end(member.job, _report(task, member.stop))


async def _call(handler: Handler, member: _Member) -> Outcome:
    member.begun = True
    if member.stop is not None:
        member.task.cancel(_why(member.stop))
    with Scope("job", member.job.kind):
        return await handler(member.job)


def _report(task: asyncio.Task[Any], stop: StopReason | None) -> Report:
    if task.cancelled():
        return Report(stopped=stop)
    error = task.exception()
    if error is not None:
        return Report(error=error)
    outcome = task.result()
    if isinstance(outcome, Done | RunAgainAt | Dead):
        return Report(outcome=outcome)
    return Report(error=TypeError(f"the handler returned {outcome!r} instead of an outcome"))


def _stop(member: _Member, reason: StopReason) -> None:
    """Cancel the handler once; a second reason must not interrupt its clean-up."""
    if member.stop is None:
        member.stop = reason
        # A task that is cancelled before its first step runs no code at all: its handler could not settle
        # what the job points at. So it begins first.
        if member.begun:
            member.task.cancel(_why(reason))


def _why(reason: StopReason) -> str:
    return f"job stopped: {reason.name.lower()}"


def log_failure(job: Job, error: BaseException, ending: Ending) -> None:
    """Log that a handler raised, and what becomes of its job."""
    log.warning(
        "job_failed",
        job_id=job.id,
        kind=job.kind,
        ref=job.ref,
        attempt=job.attempt,
        again_at=ending.run_at.isoformat() if isinstance(ending, GiveBack) else None,
        exc_info=error,
    )
