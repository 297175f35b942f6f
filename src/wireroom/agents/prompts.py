"""Runs prompts of agents through our own runner: the handlers of `agent-prompt` and of the runs' ends.

The run is stored with its call's word that it waits for it; nothing waits in memory. When the run ends, the
transaction that ends it asks for the job that takes its result to the call (`runs.telling`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import Connection

from wireroom.agents import statements as sql
from wireroom.agents.admission import PROMPT_KIND
from wireroom.agents.caller import RESPONSE_HEAD_CHARS
from wireroom.agents.calls import Calls, CallState, Tried
from wireroom.agents.definition import Retry
from wireroom.agents.figures import CALLS
from wireroom.agents.handed import Call
from wireroom.agents.request import PromptRequest, read_request
from wireroom.clock import Clock, to_ms
from wireroom.conversations.threads import NewConversation, begin_conversation
from wireroom.errors import BadInput, NotFound
from wireroom.jobs.port import Done, Handler, Job, Jobs, Outcome
from wireroom.jobs.retry import next_attempt
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.records import NewRun, create_run
from wireroom.runs.states import RunState
from wireroom.runs.telling import AGENT, AGENT_KIND, AGENT_QUEUE
from wireroom.store.database import Database
from wireroom.store.patience import write_patiently
from wireroom.workspaces.confine import resolve_inside

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where prompts run, unless they say otherwise."""

    backend: str
    """The coding agent."""
    known_backends: Collection[str]
    repositories: Path | None
    workdir: Callable[[str], str]
    """Gives a conversation's folder by its id."""
    new_id: Callable[[str], str]
    """Gives a fresh id with the prefix."""


class Prompts:
    """Runs prompts, and takes their results to the calls."""

    def __init__(self, *, db: Database, jobs: Jobs, clock: Clock, calls: Calls, place: Place) -> None:
        """Keep the neighbours."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._calls = calls
        self._place = place

    @property
    def handlers(self) -> dict[str, Handler]:
        """The handlers by kind of job."""
        return {PROMPT_KIND: self.handle_prompt, AGENT_KIND: self.handle_end}

    async def handle_prompt(self, job: Job) -> Outcome:
        """Store the run of a call, and what the call waits for; see `jobs.port.Handler`."""
        call = await self._db.read(lambda conn: self._calls.load(conn, int(job.ref)))
        if call is None or call.run_id is not None:
            return Done()
        request = read_request(call.request)
        if not isinstance(request, PromptRequest):
            raise TypeError(f"call {call.id} is no prompt")
        try:
            folder = await asyncio.to_thread(self._folder, request)
            self._check_backend(request)
        except (BadInput, NotFound) as error:
            await self._refuse(job, call, str(error))
            return Done()

        def unit(conn: Connection) -> None:
            self._begin(conn, call, request, folder)
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"prompt of call {call.id}")
        return Done()

    async def handle_end(self, job: Job) -> Outcome:
        """Take the result of an ended run to the call that waits for it; see `jobs.port.Handler`."""

        def unit(conn: Connection) -> None:
            self.take_result(conn, job.ref)
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"result of run {job.ref}")
        return Done()

    def take_result(self, conn: Connection, run_id: str) -> None:
        """End the call of a run that has ended, or have it tried again."""
        run = find_run(conn, run_id)
        call_id = sql.CALL_OF_RUN.value(conn, run_id=run_id)
        call = None if call_id is None else self._calls.load(conn, call_id)
        if run is None or call is None or not run.state.is_final:
            return
        now = self._clock.now()
        now_ms = to_ms(now)
        tried = _tried(call, run, now_ms)
        if run.state is RunState.SUCCEEDED or run.state is RunState.CANCELLED:
            succeeded = run.state is RunState.SUCCEEDED
            self._end(conn, call, CallState.SUCCEEDED if succeeded else CallState.CANCELLED, tried)
            return
        policy = msgspec.json.decode(call.retry, type=Retry).policy
        when = next_attempt(policy, tried.attempts, now, 0.0)
        if when is None:
            self._end(conn, call, CallState.DEAD, tried)
        else:
            self._calls.try_later(conn, call, tried, to_ms(when), now_ms)

    def look_for_ended(self, conn: Connection) -> None:
        """Have the results taken of runs that have ended without a word to their calls."""
        for (run_id,) in sql.ENDED_RUNS.rows(conn):
            self._jobs.enqueue(
                conn, queue=AGENT_QUEUE, kind=AGENT_KIND, ref=run_id, dedupe=f"{AGENT_KIND}:{run_id}"
            )

    def _begin(self, conn: Connection, call: Call, request: PromptRequest, folder: str | None) -> None:
        now_ms = to_ms(self._clock.now())
        run_id, conversation_id = self._place.new_id("run"), self._place.new_id("conversation")
        if not sql.NOTE_RUN.run(conn, id=call.id, run_id=run_id):
            return
        lane = f"agent-call:{call.id}"
        workdir = folder or self._place.workdir(conversation_id)
        begin_conversation(conn, NewConversation(conversation_id, AGENT, lane, workdir), now_ms)
        new = NewRun(
            id=run_id,
            # A dead call that is tried again counts its tries anew, so they do not make a fresh id.
            request_id=f"{call.idempotency_key}-{run_id}",
            conversation_id=conversation_id,
            lane=lane,
            source=AGENT,
            prompt=request.prompt,
            backend=request.options.get("backend") or self._place.backend,
            workdir=workdir,
            options=_options_of(request),
        )
        create_run(conn, self._jobs, new, now_ms)

    async def _refuse(self, job: Job, call: Call, reason: str) -> None:
        def unit(conn: Connection) -> None:
            self._end(conn, call, CallState.DEAD, Tried(call.attempts + 1, error=reason))
            self._jobs.finish(conn, job)

        await write_patiently(self._db, unit, what=f"prompt of call {call.id}")

    def _end(self, conn: Connection, call: Call, state: CallState, tried: Tried) -> None:
        self._calls.end(conn, call, state, tried, to_ms(self._clock.now()))
        CALLS.labels(state.value).inc()
        if state is CallState.DEAD:
            _log.error("agent_prompt_given_up", call=call.id, agent=call.agent_name, attempts=tried.attempts)

    def _folder(self, request: PromptRequest) -> str | None:
        """Return the folder of the repository that the prompt names, None if it names none."""
        repository = request.options.get("repository")
        if not repository:
            return None
        root = self._place.repositories
        if root is None:
            raise NotFound(f"Repository not found locally: {repository}. REPOSITORIES_PATH is not set.")
        found = resolve_inside(root, repository)
        if not found.is_dir():
            raise NotFound(f"Repository not found locally: {repository}.")
        return str(found)

    def _check_backend(self, request: PromptRequest) -> None:
        backend = request.options.get("backend")
        if backend and backend not in self._place.known_backends:
            raise BadInput(f"There is no coding agent {backend}.")


def _options_of(request: PromptRequest) -> RunOptions:
    given = request.options
    return RunOptions(
        repository=given.get("repository") or None,
        branch_name=given.get("branch") or given.get("branchName") or None,
        model=given.get("model") or None,
        unattended=True,
    )


def _tried(call: Call, run: RunView, now_ms: int) -> Tried:
    began_ms = run.started_at or run.queued_at
    return Tried(
        attempts=call.attempts + 1,
        duration_ms=(run.finished_at or now_ms) - began_ms,
        error=None if run.state is RunState.SUCCEEDED else (run.error or run.reason or run.state.value),
        response_head=(run.output or "")[:RESPONSE_HEAD_CHARS],
    )
