"""Asks the agent of one attempt, and once more if the agent's session is lost.

How the run ended is stored by `runs.executor`; runs that iterate are driven by `runs.loop_driver`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog
from msgspec import structs

from wireroom.backends.abilities import ability_of
from wireroom.backends.protocol import AgentRequest, AnyBackend, CalledBackend
from wireroom.clock import Clock
from wireroom.conversations.context import Turn, bounded_context
from wireroom.conversations.threads import Memory, recall, session_of
from wireroom.delivery.clean import clean_terminal_text
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import AgentUnavailable, LeaseLost, StoreUnavailable, WireroomError
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, AttemptEnding, RunPolicy
from wireroom.runs.attempt import Attempt
from wireroom.runs.budget import price_of, priced
from wireroom.runs.busy import is_chat, told
from wireroom.runs.purse import call_budget
from wireroom.runs.side import CONTEXT_CHARS
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.stopping import heed_cancellation
from wireroom.runs.verdict import RunEnding, Verdict
from wireroom.store.database import Database
from wireroom.store.patience import read_patiently, write_patiently
from wireroom.workspaces import outbox

_REASON_CHARS = 500
_log = structlog.get_logger(__name__)


class Driver(Protocol):
    """Brings an attempt to its end."""

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Work until the attempt has ended, whatever end that is; stores nothing of the end."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask an agent within an attempt."""

    prompt: str
    session_id: str | None
    """The agent's own session to resume, if its back end can."""
    model: str | None
    """None: the agent's own choice."""
    goes_on: bool = False
    """It was asked before and cut off."""
    session_usage: Mapping[str, int | float] = field(default_factory=dict)
    """What that session is known to have used."""
    said: Sequence[Turn] = ()
    """What was said in this run before, for an agent without a session."""


def worker_question(
    attempt: Attempt, prompt: str, model: str | None, *, goes_on: bool, said: Sequence[Turn] = ()
) -> Question:
    """Return the question for the agent whose session the attempt knows."""
    return Question(prompt, attempt.session_id, model, goes_on, attempt.session_usage, said)


class AgentDriver:
    """Asks the agents of attempts, any number side by side."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        backend: Callable[[str], AnyBackend],
        policy: RunPolicy,
        calls: AgentCalls,
    ) -> None:
        """Keep what every attempt needs; `backend` returns the coding agent of a name or raises."""
        self._db = db
        self._clock = clock
        self._backend = backend
        self._policy = policy
        self._calls = calls

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> RunEnding:
        """Ask the agent once; see `Driver.drive`."""
        attempt = (await self._beside(attempt)).resumable()
        model = attempt.options.model or self._policy.model
        prompt = told(attempt.prompt, attempt.options.busy)
        question = worker_question(attempt, prompt, model, goes_on=attempt.interrupted)
        ending = await self.ask(attempt, question, lane, line)
        code = ending.verdict.error_code
        price = price_of(self._policy.prices, model, attempt.backend)
        return RunEnding(
            verdict=ending.verdict,
            report=structs.replace(attempt.report, command=ending.command, error_code=code),
            usage=priced(ending.result.usage, price) if ending.result else {},
            session_id=ending.result.session_id if ending.result else None,
            workdir=attempt.workdir,
            session_usage=ending.result.session_usage if ending.result else {},
            cut_off=ending.cut_off,
        )

    async def _beside(self, attempt: Attempt) -> Attempt:
        """Return the attempt; of a side question with the session that is to be forked, if there is one."""
        main = attempt.options.side_of
        if main is None or attempt.session_id or not ability_of(attempt.backend).forks_sessions:
            return attempt
        found = await read_patiently(
            self._db, lambda conn: session_of(conn, main, attempt.backend), what=attempt.run_id
        )
        if found is None:
            return attempt
        return replace(
            attempt,
            session_id=found.id,
            session_workdir=Path(found.workdir),
            session_usage=found.usage,
        )

    async def ask(self, attempt: Attempt, question: Question, lane: str, line: ProgressLine) -> AttemptEnding:
        """Ask the agent, once more with context if its session is lost, and return how that ended.

        Raises:
            LeaseLost: a newer attempt has begun.
            StoreUnavailable: the database cannot be read.
        """
        try:
            return await self._ask(attempt, question, lane, line)
        except (LeaseLost, StoreUnavailable):
            raise
        except AgentUnavailable as error:
            return _failed(str(error), "agent_missing")
        except (WireroomError, OSError) as error:
            return _failed(str(error), "agent_failed")
        except Exception as error:  # noqa: BLE001 - the attempt's top: an error of ours is no interruption
            _log.exception("run_broken", run_id=attempt.run_id)
            return _failed(f"Wireroom could not run the agent. {type(error).__name__}: {error}", "internal")

    async def _ask(
        self, attempt: Attempt, question: Question, lane: str, line: ProgressLine
    ) -> AttemptEnding:
        backend = self._backend(attempt.backend)
        attempt.workdir.mkdir(parents=True, exist_ok=True)
        request = await self._request(attempt, question, backend, lane, resume=backend.resumes_sessions)
        ending = await self._calls.call(attempt, backend, request, lane, line)
        if ending.result is None or not ending.result.session_lost or ending.cut_off:
            return ending
        await write_patiently(
            self._db, lambda conn: records.note_session(conn, attempt, None), what=attempt.run_id
        )
        heed_cancellation()
        request = await self._request(attempt, question, backend, lane, resume=False)
        return await self._calls.call(attempt, backend, request, lane, line)

    async def _request(
        self, attempt: Attempt, question: Question, backend: AnyBackend, lane: str, *, resume: bool
    ) -> AgentRequest:
        """Return what to ask: in the agent's own session if it has one, else with what was said before."""
        session = question.session_id if resume else None
        is_elsewhere = isinstance(backend, CalledBackend)
        return AgentRequest(
            prompt=question.prompt,
            workdir=attempt.workdir,
            session_id=session,
            session_usage=question.session_usage if session else {},
            context="" if session or attempt.reviews else await self._context(attempt, question),
            model=question.model,
            effort=None if attempt.reviews else attempt.options.effort,
            budget_usd=call_budget(attempt.mode, attempt.options).usd,
            takes_words=is_chat(lane) and attempt.mode is RunMode.EXECUTE,
            goes_on=question.goes_on,
            private_dir=attempt.private_dir,
            folders=attempt.folders,
            mcp_servers=() if attempt.options.side_of else attempt.mcp_servers,
            aside=attempt.options.side_of is not None,
            instructions="" if is_elsewhere or attempt.reviews else self._instructions(attempt),
        )

    def _instructions(self, attempt: Attempt) -> str:
        told = [self._policy.instructions, outbox.note(attempt.outbox) if attempt.outbox else ""]
        return "\n".join(line for line in told if line)

    async def _context(self, attempt: Attempt, question: Question) -> str:
        options, limit = attempt.options, self._policy.context_chars
        memory = Memory("", ())
        if (main := options.side_of) is not None:
            limit = min(limit, CONTEXT_CHARS)
            memory = await read_patiently(self._db, lambda conn: recall(conn, main), what=attempt.run_id)
        elif not attempt.is_first:
            memory = await read_patiently(
                self._db, lambda conn: records.remembered(conn, attempt), what=attempt.run_id
            )
        turns = [*memory.turns, *question.said]
        return bounded_context(turns, limit, memory.summary)


def _failed(reason: str, code: str) -> AttemptEnding:
    verdict = Verdict(RunState.FAILED, "", clean_terminal_text(reason)[:_REASON_CHARS], None, code)
    return AttemptEnding(verdict, None, cut_off=False)
