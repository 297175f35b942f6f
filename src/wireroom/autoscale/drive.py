"""Drives real worker processes by the autoscaler's decisions on their own `/metrics`.

Time may be scaled: the autoscaler's clock then goes faster than the machine's, so that its five minutes pass
in one. Everything that is told is in seconds of the autoscaler's clock.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import aiohttp
import msgspec

from wireroom.autoscale.course import Change, Course, Moment, Work
from wireroom.autoscale.fleet import Fleet, environment_of
from wireroom.autoscale.gauges import Scrape, figure
from wireroom.autoscale.hpa import State, decide
from wireroom.autoscale.model import AGE_METRIC, DEPTH_METRIC, TICK_SECONDS, arrivals, external_metrics
from wireroom.autoscale.proposals import Total
from wireroom.autoscale.spec import SYNC_SECONDS, Metric, MetricKind, Spec, TargetKind
from wireroom.autoscale.traces import Trace
from wireroom.errors import WireroomError
from wireroom.testing.scripted_agent import Ledger

_LONGEST_EPILOGUE_SECONDS = 120.0
_REQUEST_SECONDS = 30.0
_MOST_TRIES = 30
_LOOK_SECONDS = 0.1
_DEPTH, _AGE = (
    Metric(MetricKind.EXTERNAL, name, TargetKind.VALUE, 1.0, {"queue": "runs"})
    for name in (DEPTH_METRIC, AGE_METRIC)
)
"""What is drawn, whatever the autoscaler looks at."""


@dataclass(frozen=True, slots=True)
class RealSite:
    """What is driven."""

    slots: int = 5
    """Agents that a worker runs at once."""
    job_seconds: float = 20.0
    """How long an agent works, of the autoscaler's clock."""
    scale: float = 5.0
    """Seconds of the autoscaler's clock in one of the machine's."""
    seed: int = 1


class _Run(msgspec.Struct):
    request_id: str
    state: str
    queued_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


async def drive(
    spec: Spec,
    trace: Trace,
    site: RealSite,
    *,
    database_url: str,
    folder: Path,
    tell: Callable[[str], None],
) -> Course:
    """Return how real processes did under a trace, once all work is done.

    Args:
        spec: What the autoscaler is told.
        trace: When requests come.
        site: See there.
        database_url: An empty PostgreSQL database.
        folder: An empty folder for data, logs and the agents' ledger.
        tell: Is given a line whenever workers are started or stopped.

    Raises:
        WireroomError: the database has runs already, or a process did not start or ended on its own.
    """
    secret = secrets.token_hex(16)
    environment = environment_of(
        database_url,
        folder / "data",
        secret=secret,
        slots=site.slots,
        drain_seconds=3 * site.job_seconds / site.scale + 5,
    )
    async with (
        Fleet(environment, folder) as fleet,
        aiohttp.ClientSession(
            headers={"X-Webhook-Secret": secret}, timeout=aiohttp.ClientTimeout(_REQUEST_SECONDS)
        ) as session,
    ):
        driver = _Driver(spec, trace, site, fleet=fleet, session=session, tell=tell)
        if await driver.runs():
            raise WireroomError("--database: it has runs already. Give an empty one: it is filled here.")
        return await driver.run(Ledger(folder / "agent" / "ledger"))


class _Driver:
    def __init__(
        self,
        spec: Spec,
        trace: Trace,
        site: RealSite,
        *,
        fleet: Fleet,
        session: aiohttp.ClientSession,
        tell: Callable[[str], None],
    ) -> None:
        self._spec = Spec(spec.min_replicas, spec.max_replicas, external_metrics(spec), spec.up, spec.down)
        self._trace, self._site, self._fleet, self._session = trace, site, fleet, session
        self._tell = tell
        self._state = State()
        self._moments: list[Moment] = []
        self._changes: list[Change] = []
        self._acknowledged: list[str] = []

    async def run(self, ledger: Ledger) -> Course:
        await self._fleet.scale(self._spec.min_replicas)
        while self._fleet.ready < self._spec.min_replicas:
            await self._fleet.scale(self._spec.min_replicas)
            await asyncio.sleep(_LOOK_SECONDS)
        self._began, self._began_at = time.monotonic(), time.time()
        try:
            async with asyncio.TaskGroup() as group:
                asking = group.create_task(self._ask_all(group), name="arrivals")
                await self._control(asking, ledger)
        except* WireroomError as failed:
            # What went wrong first; the rest was cancelled for it.
            raise failed.exceptions[0] from None
        starts = sorted(self._fleet.start_seconds)
        self._tell(f"processes listened after {starts[0]:.1f} to {starts[-1]:.1f} s of the machine's clock")
        return self._course(await self.runs(), ledger)

    async def runs(self) -> list[_Run]:
        async with self._session.get(
            f"{self._fleet.web.url}/api/runs", headers={"Accept": "application/x-ndjson"}
        ) as response:
            response.raise_for_status()
            return msgspec.json.Decoder(_Run).decode_lines(await response.read())

    @property
    def _now(self) -> float:
        return (time.monotonic() - self._began) * self._site.scale

    async def _until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, (moment - self._now) / self._site.scale))

    async def _ask_all(self, group: asyncio.TaskGroup) -> None:
        chance = random.Random(self._site.seed)  # noqa: S311 - a simulation that can be repeated
        tick = TICK_SECONDS
        number = 0
        for step in range(int(self._trace.seconds / tick)):
            count = arrivals(chance, self._trace, step * tick)
            if count:
                await self._until(step * tick)
            for _ in range(count):
                number += 1
                group.create_task(self._ask(f"a{number}"), name="a request")

    async def _ask(self, name: str) -> None:
        """Ask for a run in a conversation of its own, again until it is acknowledged; its id makes it one."""
        seconds = self._site.job_seconds / self._site.scale
        body = {"id": name, "conversationId": name, "prompt": f"sleep {seconds:g}; say {name}"}
        url = f"{self._fleet.web.url}/cursor/execute/async"
        for _ in range(_MOST_TRIES):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with self._session.post(url, json=body) as response:
                    if response.ok:
                        self._acknowledged.append(name)
                        return
            await asyncio.sleep(_LOOK_SECONDS)
        raise WireroomError(f"Request {name} was not taken in {_MOST_TRIES} tries.")

    async def _control(self, asking: asyncio.Task[None], ledger: Ledger) -> None:
        """Look every sync period until the trace is over, all is done, and the workers have gone again.

        However late processes start, so that a slow machine shows the scale-in too; in bounded time.
        """
        step = 0
        last = self._trace.seconds + _LONGEST_EPILOGUE_SECONDS * self._site.scale
        while self._now < last:
            await self._look()
            if asking.done() and self._now >= self._trace.seconds and self._is_done(ledger):
                return
            step += 1
            await self._until(step * SYNC_SECONDS)

    def _is_done(self, ledger: Ledger) -> bool:
        seen = self._moments[-1]
        is_idle = seen.depth == 0 and self._fleet.replicas == self._spec.min_replicas
        return is_idle and len(ledger.ends()) >= len(self._acknowledged)

    async def _look(self) -> None:
        """Scrape, decide, and start or stop workers."""
        now, scrapes = self._now, await self._fleet.scrapes()
        current, ready = self._fleet.replicas, self._fleet.ready
        measured = [Total(self._figure(metric, scrapes), ready) for metric in self._spec.metrics]
        decision, self._state = decide(self._spec, current, measured, self._state, now)
        depth, age = (self._figure(metric, scrapes) or 0.0 for metric in (_DEPTH, _AGE))
        self._moments.append(Moment(now, depth, age, ready, current, self._fleet.ending))
        if decision.replicas != current:
            self._changes.append(Change(now, current, decision.replicas))
            self._tell(f"{now:6.0f} s: depth {depth:g}, {current} → {decision.replicas}")
        await self._fleet.scale(decision.replicas)

    def _figure(self, metric: Metric, scrapes: Sequence[Scrape]) -> float | None:
        """Return a metric in seconds of the autoscaler's clock, if it is one of seconds."""
        value = figure(metric, scrapes)
        return value * self._site.scale if value is not None and metric.name == AGE_METRIC else value

    def _course(self, runs: Sequence[_Run], ledger: Ledger) -> Course:
        starts, ends = ledger.starts(), ledger.ends()
        done = {run.request_id for run in runs if run.state == "succeeded"}
        finished = [name for name in self._acknowledged if name in done]
        return Course(
            self._trace.name,
            self._moments,
            self._changes,
            [work for run in runs if (work := self._work(run)) is not None],
            self._trace.spike,
            arrived=len(self._acknowledged),
            finished=min(len(finished), len(ends)),
            doubled=sum(count > 1 for count in starts.values()),
        )

    def _work(self, run: _Run) -> Work | None:
        if run.started_at is None or run.finished_at is None:
            return None
        due = (run.queued_at.timestamp() - self._began_at) * self._site.scale
        waited = (run.started_at - run.queued_at).total_seconds() * self._site.scale
        return Work(
            due, max(0.0, waited), (run.finished_at - run.started_at).total_seconds() * self._site.scale
        )
