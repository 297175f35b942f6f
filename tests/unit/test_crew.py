"""The handlers at work in a worker process: each is told when it is stopped, however early that is."""

from __future__ import annotations

import asyncio

from wireroom.jobs.crew import Crew, Report
from wireroom.jobs.endings import StopReason
from wireroom.jobs.port import Done, Job, Outcome
from wireroom.testing.eventually import eventually

JOB = Job(id=1, queue="runs", kind="run", ref="a", key=None, attempt=1, epoch=1)


async def test_stop_before_the_first_step_still_reaches_the_handler() -> None:
    """A handler that is stopped before it has begun sees its cancellation, so that it can settle its row."""
    seen: list[str] = []
    reports: list[Report] = []

    async def handler(job: Job) -> Outcome:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            seen.append(f"{job.ref}: {error}")
            raise
        return Done()

    crew = Crew()
    crew.start(JOB, handler, lambda _job, report: reports.append(report))
    assert crew.stop_ref("run", "a", StopReason.CANCEL)
    await eventually(lambda: reports, "the handler ends")
    assert seen == ["a: job stopped: cancel"]
    assert reports[0].stopped is StopReason.CANCEL
    assert len(crew) == 0
