"""Makes calls to targets: the handler of jobs of kind `agent-call`.

A crash in the middle of a call leaves it `running`, and its job is given again: the target gets the request
once more, with the same Idempotency-Key, by which it can know it. What a call did is stored with its end, in
the transaction that admits the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus

import msgspec
import structlog
from sqlalchemy import Connection

from wireroom.agents.agent import find_agent_by_id
from wireroom.agents.calls import Calls, CallState, NewCall, Tried
from wireroom.agents.definition import Retry
from wireroom.agents.exchange import AgentClient, Exchange
from wireroom.agents.figures import CALL_TRIES, CALLS
from wireroom.agents.handed import Call
from wireroom.agents.request import CallRequest, read_request, wanted_delay
from wireroom.callbacks.reaction import Answered, Barred, GiveUp, Held, Later, NoAnswer, Sent, react
from wireroom.clock import Clock, to_ms
from wireroom.jobs.port import Done, Job, Jobs, Outcome
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

MAX_CRASHES = 5
"""Starts of one try that may be cut off before it is given up."""
RESPONSE_HEAD_CHARS = 2_000
_log = structlog.get_logger(__name__)


class Caller:
    """Makes HTTP calls."""

    def __init__(
        self,
        *,
        client: AgentClient,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        calls: Calls,
        draw: Callable[[], float],
    ) -> None:
        """Keep the neighbours.

        Args:
            client: The way out.
            db: Where calls are.
            jobs: Told of the end together with the call.
            clock: Where the time comes from.
            calls: Ends calls and takes new ones.
            draw: Gives random numbers in [0, 1) for the jitter of retries.
        """
        self._client = client
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._calls = calls
        self._draw = draw

    async def handle(self, job: Job) -> Outcome:
        """Make the call once; see `jobs.port.Handler`."""
        call_id = int(job.ref)
        call = self._calls.handed(call_id)
        if call is None:
            call = await self._db.read(lambda conn: self._calls.load(conn, call_id))
        if call is None:
            return Done()
        request = read_request(call.request)
        if not isinstance(request, CallRequest):
            raise TypeError(f"call {call.id} is no HTTP call")
        begun = self._clock.monotonic()
        if job.attempt > MAX_CRASHES:
            found = Exchange(Barred(f"It was cut off {MAX_CRASHES} times by ends of the service."))
        else:
            found = await self._exchange(call, request)
        await self._record(job, call, found, int((self._clock.monotonic() - begun) * 1000))
        return Done()

    async def _exchange(self, call: Call, request: CallRequest) -> Exchange:
        """Make the request; whatever goes wrong with it is a try of the call, under the agent's rule."""
        try:
            return await self._client.exchange(request, call.idempotency_key)
        except Exception as error:  # noqa: BLE001 - a handler's top, and it logs
            # Raised, it would have the engine call the target again, at the engine's pace.
            _log.error("agent_call_broke", call=call.id, agent=call.agent_name, exc_info=error)
            return Exchange(NoAnswer(f"The exchange could not be understood ({type(error).__name__})."))

    async def _record(self, job: Job, call: Call, found: Exchange, duration_ms: int) -> None:
        CALL_TRIES.labels(_result_of(found)).inc()
        policy = msgspec.json.decode(call.retry, type=Retry).policy
        now, reply = self._clock.now(), found.reply
        tried = Tried(
            attempts=call.attempts + 1,
            status_code=reply.status if isinstance(reply, Answered) else None,
            duration_ms=duration_ms,
            response_head=found.body.decode(errors="replace").replace("\0", "\ufffd")[:RESPONSE_HEAD_CHARS],
        )
        reaction = react(
            reply, policy, attempts=tried.attempts, now=now, jitter=self._draw() * policy.max_jitter
        )

        def unit(conn: Connection) -> None:
            now_ms = to_ms(self._clock.now())
            match reaction:
                case Sent():
                    self._succeed(conn, call, found, tried, now_ms)
                case GiveUp():
                    self._calls.end(conn, call, CallState.DEAD, _failed(tried, found), now_ms)
                case Later(when=when, counts=counts):
                    counted = replace(_failed(tried, found), attempts=tried.attempts - (not counts))
                    self._calls.try_later(conn, call, counted, to_ms(when), now_ms)
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"call {call.id}")
        self._report(call, reaction, tried)

    def _succeed(self, conn: Connection, call: Call, found: Exchange, tried: Tried, now_ms: int) -> None:
        delay_ms = wanted_delay(found.body, call.again) if found.is_whole else None
        if not self._calls.end(conn, call, CallState.SUCCEEDED, tried, now_ms):
            return
        if delay_ms is None or find_agent_by_id(conn, call.agent_id) is None:
            return
        again = NewCall(
            agent_id=call.agent_id,
            agent_name=call.agent_name,
            queue=call.queue,
            action=call.action,
            request=call.request,
            retry=call.retry,
            due_at=now_ms + delay_ms,
            reason=f"its target asked for it after call {call.id}",
            alone=bool(call.alone),
            again=call.again + 1,
        )
        self._calls.add(conn, again, now_ms)

    def _report(self, call: Call, reaction: Sent | Later | GiveUp, tried: Tried) -> None:
        match reaction:
            case Sent():
                CALLS.labels(CallState.SUCCEEDED.value).inc()
            case GiveUp(reason=reason):
                CALLS.labels(CallState.DEAD.value).inc()
                _log.error(
                    "agent_call_given_up",
                    call=call.id,
                    agent=call.agent_name,
                    reason=reason,
                    attempts=tried.attempts,
                )
            case Later(reason=reason):
                _log.warning(
                    "agent_call_delayed",
                    call=call.id,
                    agent=call.agent_name,
                    reason=reason,
                    attempts=tried.attempts,
                )


def _failed(tried: Tried, found: Exchange) -> Tried:
    return Tried(
        attempts=tried.attempts,
        status_code=tried.status_code,
        duration_ms=tried.duration_ms,
        error=_error_of(found),
        response_head=tried.response_head,
    )


def _error_of(found: Exchange) -> str:
    """Return the error in the older service's form, `HTTP 500 Internal Server Error: {"error": …}`."""
    match found.reply:
        case Answered(status=status):
            phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
            said = found.body.decode(errors="replace").replace("\0", "\ufffd")[:RESPONSE_HEAD_CHARS]
            return f"HTTP {status} {phrase}: {said}".strip(": ")
        case NoAnswer(reason=reason) | Barred(reason=reason) | Held(reason=reason):
            return reason


def _result_of(found: Exchange) -> str:
    match found.reply:
        case Answered(status=status):
            return str(status)
        case NoAnswer():
            return "no_answer"
        case Barred():
            return "barred"
        case Held():
            return "held"
