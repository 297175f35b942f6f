"""Sends what the outbox holds: the handler of jobs of kind `callback`.

Each try is counted before it is made and recorded after it. A crash between the two leaves the callback
`sending`; it is sent again, with the same idempotency key, by which a receiver knows it: at least once, and
once for those who look.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from wireroom.callbacks import outbox
from wireroom.callbacks.client import CallbackClient
from wireroom.callbacks.figures import CALLBACK_TRIES, CALLBACKS
from wireroom.callbacks.headers import callback_headers
from wireroom.callbacks.reaction import (
    Answered,
    Barred,
    GiveUp,
    Held,
    Later,
    NoAnswer,
    Reply,
    Sent,
    react,
    retry_policy,
)
from wireroom.callbacks.target import read_target
from wireroom.clock import Clock, to_ms
from wireroom.jobs.port import Done, Job, Jobs, Outcome, RunAgainAt
from wireroom.perf import traces
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

T = TypeVar("T")
_MAX_CRASHES = 5
"""Starts of a callback's job that may end in an error that nobody foresaw."""
_log = structlog.get_logger(__name__)


class CallbackSender:
    """Sends callbacks."""

    def __init__(
        self,
        *,
        client: CallbackClient,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        own_secret: str,
        max_attempts: int,
        draw: Callable[[], float],
    ) -> None:
        """Keep the neighbours.

        Args:
            client: The way out.
            db: Where callbacks are.
            jobs: Told of the end together with the callback.
            clock: Where the time comes from.
            own_secret: The installation's; signs what has no secret of its own. Empty: it is not signed.
            max_attempts: Tries before a callback becomes a dead letter.
            draw: Gives random numbers in [0, 1) for the jitter of retries.
        """
        self._client = client
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._own_secret = own_secret
        self._policy = retry_policy(max_attempts)
        self._draw = draw

    async def handle(self, job: Job) -> Outcome:
        """Try the callback once; see `jobs.port.Handler`."""
        current = await self._write(job, lambda conn: outbox.begin_try(conn, int(job.ref)))
        if current is None:
            return Done()
        try:
            reply = await self._send(current)
        except Exception as error:
            if current.attempts < _MAX_CRASHES:
                raise
            _log.exception("callback_failed", callback=job.ref, attempts=current.attempts)
            return await self._give_up(job, f"{type(error).__name__}: {error}"[:500], None)
        return await self._record(job, current, reply)

    async def _send(self, current: outbox.Try) -> Reply:
        now = to_ms(self._clock.now()) // 1000

        def headers(trusted: bool) -> dict[str, str]:
            made = callback_headers(
                current.body,
                idempotency_key=current.idempotency_key,
                url_secret=current.secret,
                own_secret=self._own_secret,
                trusted=trusted,
                now=now,
            )
            carrier = traces.carrier()
            return made if carrier is None else {**made, "traceparent": carrier}

        with traces.span("callback", {"wireroom.attempt": current.attempts}, role="client"):
            reply = await self._client.send(read_target(current.url), current.body, headers)
        CALLBACK_TRIES.labels(_result_of(reply)).inc()
        return reply

    async def _record(self, job: Job, current: outbox.Try, reply: Reply) -> Outcome:
        now = self._clock.now()
        status_code = reply.status if isinstance(reply, Answered) else None
        jitter = self._draw() * self._policy.max_jitter
        match react(reply, self._policy, attempts=current.attempts, now=now, jitter=jitter):
            case Sent():
                return await self._sent(job, status_code or HTTPStatus.OK)
            case GiveUp(reason=reason):
                return await self._give_up(job, reason, status_code)
            case Later(when=when, reason=reason, counts=counts):
                due_ms = to_ms(when)
                await self._write(
                    job,
                    lambda conn: outbox.delay(conn, int(job.ref), reason, status_code, due_ms, counts=counts),
                )
                _log.warning("callback_delayed", callback=job.ref, reason=reason, attempts=current.attempts)
                return RunAgainAt(when)

    async def _sent(self, job: Job, status_code: int) -> Outcome:
        def unit(conn: Connection) -> None:
            outbox.close_sent(conn, int(job.ref), status_code, to_ms(self._clock.now()))
            self._jobs.finish(conn, job)

        await self._write(job, unit)
        CALLBACKS.labels("sent").inc()
        return Done()

    async def _give_up(self, job: Job, reason: str, status_code: int | None) -> Outcome:
        def unit(conn: Connection) -> None:
            outbox.close_dead(conn, int(job.ref), reason, status_code)
            self._jobs.finish(conn, job)

        await self._write(job, unit)
        CALLBACKS.labels("dead").inc()
        _log.error("callback_given_up", callback=job.ref, reason=reason)
        return Done()

    async def _write(self, job: Job, unit: Callable[[Connection], T]) -> T:
        return await write_patiently(self._db, unit, what=f"callback {job.ref}")


def _result_of(reply: Reply) -> str:
    match reply:
        case Answered(status=status):
            return str(status)
        case NoAnswer():
            return "no_answer"
        case Barred():
            return "barred"
        case Held():
            return "held"
