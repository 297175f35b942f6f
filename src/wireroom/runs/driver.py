"""Drives one attempt: asks its agent, and once more if the agent's session is lost.

What the end means for the run is stored by `runs.executor`.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from wireroom.backends.protocol import AgentRequest, Backend
from wireroom.clock import Clock
from wireroom.conversations.context import bounded_context
from wireroom.delivery.clean import clean_terminal_text
from wireroom.delivery.progress import ProgressLine
from wireroom.errors import LeaseLost, StoreUnavailable, WireroomError
from wireroom.perf.metrics import RUN_SECONDS
from wireroom.runs import records
from wireroom.runs.agent_call import AgentCalls, AttemptEnding, RunPolicy
from wireroom.runs.records import Attempt
from wireroom.runs.states import RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently

_REASON_CHARS = 500
_log = structlog.get_logger(__name__)


class AgentDriver:
    """Runs the agent of one attempt at a time, any number side by side."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        backend: Callable[[str], Backend],
        policy: RunPolicy,
        calls: AgentCalls,
    ) -> None:
        """Keep what every attempt needs; `backend` returns the coding agent of a name or raises."""
        self._db = db
        self._clock = clock
        self._backend = backend
        self._policy = policy
        self._calls = calls

    async def drive(self, attempt: Attempt, lane: str, line: ProgressLine) -> AttemptEnding:
        """Run the agent to its end, whatever end that is; once more with context if its session is lost."""
        started = self._clock.monotonic()
        try:
            backend = self._backend(attempt.backend)
            attempt.workdir.mkdir(parents=True, exist_ok=True)
            ending = await self._call(attempt, backend, lane, line, resume=backend.resumes_sessions)
            if ending.result is not None and ending.result.session_lost and not ending.cut_off:
                await write_patiently(
                    self._db, lambda conn: records.note_session(conn, attempt, None), what=attempt.run_id
                )
                ending = await self._call(attempt, backend, lane, line, resume=False)
        except (LeaseLost, StoreUnavailable):
            raise
        except (WireroomError, OSError) as error:
            ending = _failed(str(error))
        except Exception as error:  # noqa: BLE001 - the attempt's top: an error of ours is no interruption
            _log.exception("run_broken", run_id=attempt.run_id)
            ending = _failed(f"Wireroom could not run the agent. {type(error).__name__}: {error}")
        RUN_SECONDS.labels(attempt.backend).observe(self._clock.monotonic() - started)
        return ending

    async def _call(
        self, attempt: Attempt, backend: Backend, lane: str, line: ProgressLine, *, resume: bool
    ) -> AttemptEnding:
        request = await self._request(attempt, resume=resume)
        return await self._calls.call(attempt, backend, request, lane, line)

    async def _request(self, attempt: Attempt, *, resume: bool) -> AgentRequest:
        """Return what to ask: in the agent's own session if it has one, else with what was said before."""
        session = attempt.session_id if resume else None
        context = ""
        if not session and not attempt.is_first:
            turns = await self._db.read(lambda conn: records.earlier_turns(conn, attempt))
            context = bounded_context(turns, self._policy.context_chars)
        return AgentRequest(
            prompt=attempt.prompt,
            workdir=attempt.workdir,
            session_id=session,
            context=context,
            model=self._policy.model,
            goes_on=attempt.interrupted,
        )


def _failed(reason: str) -> AttemptEnding:
    verdict = Verdict(RunState.FAILED, "", clean_terminal_text(reason)[:_REASON_CHARS], None)
    return AttemptEnding(verdict, None, cut_off=False)
