"""The worker of the PostgreSQL engine: one of Procrastinate's workers a queue, and the watch over them all.

Taking up what a dead process left running is done here, since Procrastinate does not do it on its own. What
a queue's worker does is in `jobs.procrastinate_queue`.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from procrastinate import PsycopgConnector
from procrastinate.connector import LISTEN_TIMEOUT, Notify
from procrastinate.exceptions import ConnectorException
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from wireroom.clock import Clock, came_within
from wireroom.jobs.port import Handler, QueueSpec
from wireroom.jobs.procrastinate_queue import CLEAN_UP_SECONDS, QueueWorker
from wireroom.store import job_rows_postgres as rows
from wireroom.store.postgres import SILENT_AFTER, PostgresDatabase, liveliness
from wireroom.store.postgres_statements import NotedCursor

log = structlog.get_logger(__name__)

APPLICATION = "wireroom jobs"
"""What PostgreSQL calls the connections of the job engine."""
_RESTART_PAUSE_SECONDS = 0.5
_LAST_WORDS_SECONDS = 2.0
_LAST_LOOKS = 200
_CHANNEL = "procrastinate_queue_v1#"
_LOOK_NOW = '{"type": "job_inserted", "job_id": 0}'


class ProcrastinateWorker:
    """Runs the jobs of several queues of one PostgreSQL database; see `Worker`."""

    def __init__(
        self,
        db: PostgresDatabase,
        queues: Sequence[QueueSpec],
        clock: Clock,
        *,
        heartbeat: timedelta = timedelta(seconds=1),
        stalled_after: timedelta = timedelta(seconds=5),
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing runs until `run`.

        Args:
            db: Where the jobs are; the worker opens connections of its own.
            queues: The queues to claim from, with their limits.
            clock: Where `now` comes from.
            heartbeat: How often each queue's worker says that it is alive.
            stalled_after: How long a silent worker keeps its jobs.
            draw: Random numbers in [0, 1), for the jitter of retries.
        """
        self._url = db.url
        self._cursor = partial(NotedCursor, watch=db.statements)
        self._queues = queues
        self._clock = clock
        self._heartbeat = heartbeat.total_seconds()
        self._stalled_after = stalled_after.total_seconds()
        self._draw = draw
        self._crews: list[QueueWorker] = []
        self._working: dict[QueueWorker, asyncio.Task[None]] = {}
        self._draining = asyncio.Event()
        self._over = asyncio.Event()
        self._over.set()

    async def run(self, handlers: Mapping[str, Handler]) -> None:
        """Take up what dead processes left, then run jobs until `drain`; see `Worker.run`."""
        connector = _Connector(
            conninfo=self._url,
            min_size=1,
            max_size=len(self._queues) + 2,
            name="wireroom-jobs",
            pool_factory=_pool,
            kwargs={
                "cursor_factory": self._cursor,
                "application_name": APPLICATION,
                **liveliness(SILENT_AFTER),
            },
            configure=_commit_each_statement,
        )
        self._over.clear()
        try:
            await connector.open_async()
            self._crews = [self._crew(connector, spec, handlers) for spec in self._queues]
            async with asyncio.TaskGroup() as group:
                watches = [
                    group.create_task(self._beat_forever(connector), name="jobs:beat"),
                    group.create_task(self._watch(connector), name="jobs:watch"),
                    group.create_task(self._listen(connector), name="jobs:listen"),
                ]
                self._working = {
                    crew: group.create_task(self._keep_running(crew), name=f"jobs:{crew.queue}")
                    for crew in self._crews
                }
                await asyncio.wait(self._working.values())
                for watch in watches:
                    watch.cancel()
        finally:
            await connector.close_async()
            self._over.set()

    async def drain(self, grace: timedelta) -> None:
        """Stop claiming, let handlers end, cancel the rest; see `Worker.drain`."""
        self._draining.set()
        loop = asyncio.get_running_loop()
        until = loop.time() + grace.total_seconds()
        serving = [crew for crew in self._crews if crew.drains]
        await self._stop([crew for crew in self._crews if not crew.drains], grace)
        await _idle(serving)
        await self._stop(serving, timedelta(seconds=max(0.0, until - loop.time())))
        await came_within(CLEAN_UP_SECONDS, self._over.wait())

    async def _stop(self, crews: Sequence[QueueWorker], grace: timedelta) -> None:
        for crew in crews:
            crew.shutdown_graceful_timeout = grace.total_seconds()
            crew.stop()  # type: ignore[no-untyped-call]  # Procrastinate leaves it unannotated
        if working := [self._working[crew] for crew in crews if crew in self._working]:
            await asyncio.wait(working, timeout=grace.total_seconds() + 2 * CLEAN_UP_SECONDS)

    def cancel_running(self, *, kind: str, ref: str) -> bool:
        """Cancel the handler of (kind, ref); see `Worker.cancel_running`."""
        found = [crew.stop_ref(kind, ref) for crew in self._crews]
        return any(found)

    def _crew(
        self, connector: PsycopgConnector, spec: QueueSpec, handlers: Mapping[str, Handler]
    ) -> QueueWorker:
        return QueueWorker(
            connector,
            spec,
            handlers,
            self._clock,
            draw=self._draw,
            heartbeat=self._heartbeat,
            stalled_after=self._stalled_after,
        )

    async def _keep_running(self, crew: QueueWorker) -> None:
        """Run a queue's worker again whenever the server's restart ended it."""
        while not self._draining.is_set():
            try:
                await crew.run()  # type: ignore[no-untyped-call]  # Procrastinate leaves it unannotated
            except ConnectorException as error:
                log.warning("jobs_worker_lost_server", queue=crew.queue, error=str(error))
                await came_within(_RESTART_PAUSE_SECONDS, self._draining.wait())
        with suppress(ConnectorException):
            await came_within(CLEAN_UP_SECONDS, crew.manager.give_back_unstarted())

    async def _beat_forever(self, connector: PsycopgConnector) -> None:
        """Say, every heartbeat, that the queues' workers are alive, and give back what none of them runs."""
        while True:
            with suppress(ConnectorException):
                at_work = await self._beat(connector)
                claimed = await connector.execute_query_all_async(rows.MINE, worker_ids=list(at_work))
                for worker_id, crew in at_work.items():
                    mine = {row["id"]: row["attempts"] for row in claimed if row["worker_id"] == worker_id}
                    await crew.give_back_strays(mine)
            await asyncio.sleep(self._heartbeat)

    async def _beat(self, connector: PsycopgConnector) -> Mapping[int, QueueWorker]:
        """Keep the rows of our workers alive, and return the workers by row."""
        at_work = {crew.worker_id: crew for crew in self._crews if crew.worker_id is not None}
        await connector.execute_query_async(rows.BEAT, worker_ids=list(at_work))
        return at_work

    async def _watch(self, connector: PsycopgConnector) -> None:
        """Take up, every heartbeat, the jobs of workers that have fallen silent."""
        while True:
            with suppress(ConnectorException):
                await self._recover(connector)
            await asyncio.sleep(self._heartbeat)

    async def _listen(self, connector: PsycopgConnector) -> None:
        """Tell each queue's worker what is notified for it: one connection for all, kept for life."""
        by_channel = {f"{_CHANNEL}{crew.queue}": crew for crew in self._crews}

        async def heed(*, channel: str, payload: str) -> None:
            notification = json.loads(payload)
            for crew in [by_channel[channel]] if channel else self._crews:
                await crew.heed(notification)

        while True:
            with suppress(ConnectorException):
                await connector.listen_notify(on_notification=heed, channels=by_channel)
            await asyncio.sleep(_RESTART_PAUSE_SECONDS)

    async def _recover(self, connector: PsycopgConnector) -> None:
        # Our own workers first: after an outage they look as silent as a dead process's.
        await self._beat(connector)
        await connector.execute_query_all_async(rows.SWEEP_FINISHED, seconds=self._stalled_after)
        while taken := await connector.execute_query_all_async(rows.RECOVER, seconds=self._stalled_after):
            log.warning("job_taken_up", job_id=taken[0]["id"])


class _Connector(PsycopgConnector):
    """Procrastinate's connector, which also wakes the worker once it listens.

    A job enqueued between the worker's look and its LISTEN, or while the connection was lost, would wait for
    the next poll.
    """

    async def _loop_notify(
        self,
        on_notification: Notify,
        connection: AsyncConnection[Any],
        timeout: float = LISTEN_TIMEOUT,  # noqa: ASYNC109 - the signature is Procrastinate's
    ) -> None:
        await on_notification(channel="", payload=_LOOK_NOW)
        await super()._loop_notify(on_notification, connection, timeout)


async def _idle(crews: Sequence[QueueWorker]) -> None:
    """Return once none of them has anything that is due, or the time for last words is over."""
    for crew in crews:  # What was just enqueued has perhaps not woken them yet.
        crew.look_now()
    for _ in range(_LAST_LOOKS):
        if all(crew.is_idle() for crew in crews):
            return
        await asyncio.sleep(_LAST_WORDS_SECONDS / _LAST_LOOKS)


async def _commit_each_statement(connection: AsyncConnection[Any]) -> None:
    """Hold no row over a round trip: each of our units is one statement.

    A process that freezes between a statement and its commit would keep its jobs locked, and nobody could
    take them up.
    """
    await connection.set_autocommit(True)


def _pool(**options: Any) -> AsyncConnectionPool:
    """Make a pool that lends without asking the server first; a lost connection is met by trying again."""
    return AsyncConnectionPool(**(options | {"check": None}))
