"""Drives the rounds of one attempt at a run that iterates: asks `runs.loop` what is next, and does it.

Every round is stored before its agent starts and when it has ended, so that the next attempt at a run that
was cut off finds where it was. Knows nothing of how agents are run (`runs.driver`) or what verdicts mean.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog
from msgspec import structs
from sqlalchemy import Connection

from wireroom.clock import Clock, to_ms
from wireroom.conversations.context import Turn
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import LeaseLost, NotFound, StoreUnavailable, WireroomError
from wireroom.runs import records, review, rounds
from wireroom.runs.agent_call import AttemptEnding
from wireroom.runs.attempt import Attempt
from wireroom.runs.budget import Price, price_of, priced
from wireroom.runs.definition import Definition, find_definition
from wireroom.runs.driver import AgentDriver, Question, worker_question
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.loop import (
    Bounds,
    DoReview,
    DoWork,
    Failed,
    Judgement,
    Round,
    RoundKind,
    Stop,
    bounds_of,
    heading,
    next_step,
    output_of,
    report_of,
    turns_of,
    usage_of,
)
from wireroom.runs.loop_policy import LoopPolicy, model_of, reviewer_of, why_unpriced
from wireroom.runs.progress_text import RoundLine
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.stopping import heed_cancellation, outlast
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.store.database import Database, after_commit
from wireroom.store.patience import read_patiently, write_patiently
from wireroom.workspaces.work import Evidence

Look = Callable[[Attempt], Awaitable[Evidence | None]]
"""What git shows of the attempt's folder; None where there is no git. Raises WireroomError or OSError."""

T = TypeVar("T")
_REASON_CHARS = 500
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Loop:
    """One attempt's way through its rounds."""

    attempt: Attempt
    """With the session that the worker has by now."""
    reviewer: Attempt
    """The same attempt, as its reviewer is called."""
    bounds: Bounds
    lane: str
    line: ProgressLine
    definition: Definition | None = None
    command: tuple[str, ...] = ()
    """Of the last agent."""


class LoopDriver:
    """Drives attempts of both modes, any number side by side: the plain ones are handed on."""

    def __init__(
        self,
        agents: AgentDriver,
        *,
        db: Database,
        clock: Clock,
        feed: Feed,
        policy: LoopPolicy,
        look: Look,
    ) -> None:
        """Keep what every loop needs."""
        self._agents = agents
        self._db = db
        self._clock = clock
        self._feed = feed
        self._policy = policy
        self._look = look

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Go through rounds until the loop is over or the handler is cancelled; see `Driver.drive`."""
        if attempt.mode is not RunMode.ITERATE:
            return await self._agents.drive(attempt, lane, line)
        attempt = attempt.resumable()
        loop = _Loop(
            attempt=attempt,
            reviewer=self._reviewer(attempt),
            bounds=bounds_of(attempt.options, self._policy.bounds),
            lane=lane,
            line=line,
        )
        report = structs.replace(attempt.report, max_iterations=loop.bounds.max_rounds)
        await self._write(loop, lambda conn: rounds.take_over(conn, attempt.run_id, attempt.epoch, report))
        if (reason := why_unpriced(self._policy, attempt.options, attempt.backend)) is not None:
            return await self._ending(loop, Verdict(RunState.FAILED, "", reason, None, "budget"))
        loop.definition = await asyncio.to_thread(
            find_definition, attempt.prompt, attempt.workdir, self._policy.root
        )
        try:
            return await self._go_round(loop)
        except (LeaseLost, NotFound, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - the loop's top: no agent works twice for an error of ours
            _log.exception("loop_broken", run_id=attempt.run_id)
            reason = f"Wireroom could not go on. {type(error).__name__}: {error}"[:_REASON_CHARS]
            return await self._ending(loop, Verdict(RunState.FAILED, "", reason, None, "internal"))

    def _reviewer(self, attempt: Attempt) -> Attempt:
        """Return the attempt as the reviewer's calls are made: never in a session of the worker's."""
        name = reviewer_of(self._policy, attempt.options, attempt.backend)
        return replace(attempt, backend=name, session_id=None, session_usage={}, reviews=True)

    async def _go_round(self, loop: _Loop) -> RunEnding:
        while True:
            history = await self._history(loop)
            step = next_step(loop.attempt.prompt, history, loop.bounds)
            if isinstance(step, Stop):
                return await self._ending(loop, step.verdict)
            heed_cancellation()
            match step:
                case DoWork():
                    ending = await self._work(loop, step, turns_of(history))
                case DoReview():
                    ending = await self._review(loop, step)
            if ending.cut_off:
                said = "" if isinstance(step, DoReview) else ending.verdict.output
                return await self._ending(loop, replace(ending.verdict, output=said), cut_off=True)

    async def _work(self, loop: _Loop, step: DoWork, said: Sequence[Turn]) -> AttemptEnding:
        seq = await self._open(loop, RoundKind.WORK, step.number, step.prompt)
        model = self._model(loop, loop.attempt)
        question = worker_question(loop.attempt, step.prompt, model, goes_on=step.goes_on, said=said)
        line = RoundLine(loop.line, heading(step.number, RoundKind.WORK, loop.bounds))
        ending = await self._ask(loop, loop.attempt, seq, question, line)
        if not ending.cut_off:
            code = ending.verdict.error_code
            if result := ending.result:
                session_id = result.session_id or loop.attempt.session_id
                loop.attempt = replace(
                    loop.attempt, session_id=session_id, session_usage=result.session_usage
                )
            await outlast(
                self._close(loop, seq, step, ending, Failed(code) if code else None), "end of a round"
            )
        return ending

    async def _review(self, loop: _Loop, step: DoReview) -> AttemptEnding:
        facts = await self._facts(loop.attempt)
        prompt = await self._review_prompt(loop, step, facts)
        seq = await self._open(loop, RoundKind.REVIEW, step.number, prompt)
        question = Question(prompt, None, self._model(loop, loop.reviewer))
        line = RoundLine(loop.line, heading(step.number, RoundKind.REVIEW, loop.bounds), shows_text=False)
        ending = await self._ask(loop, loop.reviewer, seq, question, line)
        if not ending.cut_off:
            judgement = review.weigh(_judged(ending), facts, _wanted(loop))
            await outlast(self._close(loop, seq, step, ending, judgement), "end of a round")
        return ending

    async def _review_prompt(self, loop: _Loop, step: DoReview, facts: Evidence | None) -> str:
        run_id, begun, ended = loop.attempt.run_id, step.work.started_at, step.work.finished_at or 0
        uses = await self._db.read(lambda conn: rounds.tool_uses(conn, run_id, begun, ended))
        work = review.Work(
            task=loop.attempt.prompt,
            definition=loop.definition.text if loop.definition else None,
            output=step.work.output,
            failure=step.work.reason,
            facts=facts,
            tests=review.ran_tests(uses),
        )
        return review.review_prompt(work, again=step.again)

    async def _facts(self, attempt: Attempt) -> Evidence | None:
        try:
            return await self._look(attempt)
        except (WireroomError, OSError) as error:
            _log.warning("no_evidence", run_id=attempt.run_id, reason=str(error))
            return None

    async def _ask(
        self, loop: _Loop, called: Attempt, seq: int, question: Question, line: RoundLine
    ) -> AttemptEnding:
        line.show("")
        ending = await self._agents.ask(replace(called, round=seq), question, loop.lane, line)
        loop.command = ending.command or loop.command
        return ending

    async def _open(self, loop: _Loop, kind: RoundKind, number: int, prompt: str) -> int:
        run_id, epoch = loop.attempt.run_id, loop.attempt.epoch

        def unit(conn: Connection) -> int:
            return rounds.open_round(
                conn, run_id, epoch, kind=kind, number=number, prompt=prompt, now_ms=self._now_ms()
            )

        return await self._write(loop, unit)

    async def _close(
        self,
        loop: _Loop,
        seq: int,
        step: DoWork | DoReview,
        ending: AttemptEnding,
        judgement: Judgement | None,
    ) -> None:
        called = loop.reviewer if isinstance(step, DoReview) else loop.attempt
        verdict, result = ending.verdict, ending.result
        closing = rounds.Closing(
            seq=seq,
            number=step.number,
            state=verdict.state,
            output=verdict.output,
            reason=verdict.reason,
            exit_code=verdict.exit_code,
            judgement=judgement,
            usage=priced(result.usage, self._price(loop, called)) if result else {},
        )

        def unit(conn: Connection) -> None:
            rounds.close_round(conn, called.run_id, called.epoch, closing, self._now_ms())
            if result and result.session_id and not called.reviews:
                records.note_session(conn, called, result.session_id, result.session_usage)

        await self._write(loop, unit)

    async def _ending(self, loop: _Loop, verdict: Verdict, *, cut_off: bool = False) -> RunEnding:
        """Return the end of the loop; where the last agent said nothing, the work before it speaks."""
        attempt = loop.attempt
        history = await self._history(loop)
        noted = structs.replace(attempt.report, command=loop.command, error_code=verdict.error_code)
        return RunEnding(
            verdict=verdict if verdict.output else replace(verdict, output=output_of(history)),
            report=report_of(history, loop.bounds.max_rounds, noted),
            usage=usage_of(history),
            session_id=attempt.session_id,
            workdir=attempt.workdir,
            session_usage=attempt.session_usage,
            cut_off=cut_off,
        )

    async def _history(self, loop: _Loop) -> Sequence[Round]:
        """Return the rounds so far; a stop meanwhile must not hide that they are the last."""
        run_id = loop.attempt.run_id
        return await outlast(
            read_patiently(self._db, lambda conn: rounds.read_rounds(conn, run_id), what=run_id),
            f"rounds of {run_id}",
        )

    async def _write(self, loop: _Loop, unit: Callable[[Connection], T]) -> T:
        """Write the unit as often as it takes, and wake those who watch the run."""

        def telling(conn: Connection) -> T:
            done = unit(conn)
            after_commit(conn, lambda: self._tell(loop))
            return done

        return await write_patiently(self._db, telling, what=loop.attempt.run_id)

    def _tell(self, loop: _Loop) -> None:
        self._feed.publish(run_topic(loop.attempt.run_id))
        self._feed.publish(lane_topic(loop.lane))

    def _price(self, loop: _Loop, called: Attempt) -> Price | None:
        return price_of(self._policy.prices, self._model(loop, called), called.backend)

    def _model(self, loop: _Loop, called: Attempt) -> str | None:
        return model_of(self._policy, called.options, loop.attempt.backend, called.backend)

    def _now_ms(self) -> int:
        return to_ms(self._clock.now())


def _judged(ending: AttemptEnding) -> review.Verdict:
    if ending.verdict.state is not RunState.SUCCEEDED:
        return review.Unreadable(f"The reviewer failed: {ending.verdict.reason}")
    return review.read_verdict(ending.verdict.output)


def _wanted(loop: _Loop) -> str:
    """Return where it may stand that the work is to be pushed."""
    return "\n\n".join([loop.attempt.prompt, loop.definition.text if loop.definition else ""])
