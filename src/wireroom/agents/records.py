"""Units of work on agents: made, changed, paused, run now, deleted; each one transaction.

An agent with a schedule has one waiting job (`DUE_KIND`) at its next slot. The job names the revision that it
was made for, so whatever changes the agent makes all earlier jobs of it do nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection

from wireroom.agents import statements as sql
from wireroom.agents.admission import CALL_KIND, PROMPT_KIND, TIME_QUEUE, Admission, hold_queues
from wireroom.agents.agent import Agent, find_agent, get_agent
from wireroom.agents.calls import Calls, NewCall, note_skip
from wireroom.agents.definition import Definition
from wireroom.agents.missed import Overlap, Skip
from wireroom.agents.request import PromptRequest, encode_request, read_request
from wireroom.agents.schedule import count_slots, last_slot, next_slot, read_schedule
from wireroom.clock import from_ms, to_ms
from wireroom.errors import Conflict
from wireroom.jobs.port import Jobs
from wireroom.runs.cancel import cancel_run

DUE_KIND = "agent-due"
MOST_SLOTS = 5_000
"""Slots that are decided in one go."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a definition."""

    agent_id: int
    next_at: int | None = None
    """When its schedule is due next."""
    call_id: int | None = None
    """The call of a one-time agent."""
    repeated: bool = False
    """The idempotency key was known: nothing new was stored."""


class Agents:
    """Makes, changes and deletes agents."""

    def __init__(self, jobs: Jobs, calls: Calls, admission: Admission) -> None:
        """Keep the neighbours."""
        self._jobs = jobs
        self._calls = calls
        self._admission = admission

    def save(
        self,
        conn: Connection,
        definition: Definition,
        now_ms: int,
        *,
        asked_by: str = "",
        idempotency_key: str | None = None,
    ) -> Saved:
        """Make the agent, or bring the one of this name up to date; a one-time agent is called, at its time.

        Args:
            conn: The unit.
            definition: What its maker wants.
            now_ms: Now.
            asked_by: Who wants it, for the history of a one-time agent.
            idempotency_key: The same key twice is one call of a one-time agent.

        Raises:
            Conflict: the name is another kind's.
        """
        if definition.is_one_time:
            reason = f"asked for once by {asked_by}" if asked_by else "asked for once"
            return self._save_one_time(conn, definition, now_ms, reason, idempotency_key)
        known = find_agent(conn, definition.name)
        return (
            self._add(conn, definition, now_ms)
            if known is None
            else self._change(conn, known, definition, now_ms)
        )

    def run_now(
        self, conn: Connection, name: str, now_ms: int, *, idempotency_key: str | None = None
    ) -> Saved:
        """Call it now, whatever its schedule says, even while it is paused.

        Raises:
            NotFound: there is no such agent.
        """
        agent = get_agent(conn, name)
        return self._call(
            conn, agent.id, agent.definition, now_ms, reason="run by hand", idempotency_key=idempotency_key
        )

    def pause(self, conn: Connection, name: str, now_ms: int) -> Agent:
        """Let its schedule rest; calls that wait or work go on.

        Raises:
            NotFound: there is no such agent.
            Conflict: it has no schedule.
        """
        agent = _scheduled(get_agent(conn, name))
        if not agent.paused:
            sql.PAUSE_AGENT.run(conn, id=agent.id, paused=1, next_at=agent.next_at, now_ms=now_ms)
            self._cancel_due(conn, agent)
        return get_agent(conn, name)

    def resume(self, conn: Connection, name: str, now_ms: int) -> Agent:
        """Let its schedule go on from now; what came in between is noted as skipped.

        Raises:
            NotFound: there is no such agent.
            Conflict: it has no schedule.
        """
        agent = _scheduled(get_agent(conn, name))
        if agent.paused:
            next_at = self._skip_open(conn, agent, now_ms, "the agent was paused")
            sql.PAUSE_AGENT.run(conn, id=agent.id, paused=0, next_at=next_at, now_ms=now_ms)
            self.expect(conn, agent.id, agent.revision + 1, next_at)
        return get_agent(conn, name)

    def delete(self, conn: Connection, name: str, now_ms: int) -> None:
        """Remove it, take back what waits, and stop what works; its history stays for as long as others'.

        Its queue goes with it when it was made on first use and nothing else needs it.

        Raises:
            NotFound: there is no such agent.
        """
        agent = get_agent(conn, name)
        sql.DELETE_AGENT.run(conn, id=agent.id)
        self._cancel_due(conn, agent)
        hold_queues(conn, agent.queue, *(row[0] for row in sql.QUEUES_OF_AGENT.rows(conn, agent_id=agent.id)))
        rows = sql.CANCEL_CALLS.rows(conn, agent_id=agent.id, reason="the agent was deleted", now_ms=now_ms)
        for call_id, _, action, run_id in rows:
            self._admission.handed.drop(conn, call_id)
            kind = CALL_KIND if action == "call" else PROMPT_KIND
            self._jobs.cancel(conn, kind=kind, ref=str(call_id))
            if run_id is not None:
                cancel_run(conn, self._jobs, run_id, now_ms)
        for queue in sorted({queue for _, queue, *_ in rows}):
            self._admission.admit(conn, queue, now_ms)
        sql.DROP_QUEUE_IF_UNUSED.run(conn, name=agent.queue)

    def expect(self, conn: Connection, agent_id: int, revision: int, next_at: int | None) -> None:
        """Have the schedule looked at when its next slot comes."""
        if next_at is not None:
            self._jobs.enqueue(
                conn,
                queue=TIME_QUEUE,
                kind=DUE_KIND,
                ref=due_ref(agent_id, revision),
                run_at=from_ms(next_at),
            )

    def _add(self, conn: Connection, definition: Definition, now_ms: int) -> Saved:
        next_at = _first_slot(definition, now_ms)
        values = {**_columns(definition), "action": definition.action, "next_at": next_at, "now_ms": now_ms}
        agent_id: int | None = sql.ADD_AGENT.value(conn, **values)
        if agent_id is None:
            raise Conflict(f'Agent "{definition.name}" was made at this moment by somebody else. Try again.')
        hold_queues(conn, definition.queue)
        sql.MAKE_QUEUE.run(conn, name=definition.queue, now_ms=now_ms)
        self.expect(conn, agent_id, 1, next_at)
        return Saved(agent_id, next_at)

    def _change(self, conn: Connection, known: Agent, definition: Definition, now_ms: int) -> Saved:
        _check_kind(known, definition)
        columns = _columns(definition)
        next_at = known.next_at
        if (known.schedule_json, known.timezone) != (columns["schedule"], columns["timezone"]):
            self._skip_open(conn, known, now_ms, "the schedule was changed")
            next_at = _first_slot(definition, now_ms)
        sql.CHANGE_AGENT.run(conn, id=known.id, next_at=next_at, now_ms=now_ms, **columns)
        hold_queues(conn, known.queue, definition.queue)
        sql.MAKE_QUEUE.run(conn, name=definition.queue, now_ms=now_ms)
        if known.queue != definition.queue:
            sql.DROP_QUEUE_IF_UNUSED.run(conn, name=known.queue)
        self._cancel_due(conn, known)
        if not known.paused:
            self.expect(conn, known.id, known.revision + 1, next_at)
        return Saved(known.id, next_at)

    def _save_one_time(
        self, conn: Connection, definition: Definition, now_ms: int, reason: str, idempotency_key: str | None
    ) -> Saved:
        agent_id: int | None = sql.SAVE_ONE_TIME.value(
            conn, **_columns(definition, schedule=False), action=definition.action, now_ms=now_ms
        )
        if agent_id is None:
            # The name is that of a schedule, which goes on; this is one call beside it.
            known = get_agent(conn, definition.name)
            _check_kind(known, definition)
            agent_id = known.id
        return self._call(conn, agent_id, definition, now_ms, reason=reason, idempotency_key=idempotency_key)

    def _call(
        self,
        conn: Connection,
        agent_id: int,
        definition: Definition,
        now_ms: int,
        *,
        reason: str,
        idempotency_key: str | None,
    ) -> Saved:
        key = None if idempotency_key is None else f"{definition.name}:{idempotency_key}"
        if key is not None and (call_id := sql.CALL_OF_KEY.value(conn, key=key)) is not None:
            return Saved(agent_id, call_id=call_id, repeated=True)
        new = NewCall(
            agent_id=agent_id,
            agent_name=definition.name,
            queue=definition.queue,
            action=definition.action,
            request=encode_request(definition.request),
            retry=msgspec.json.encode(definition.retry).decode(),
            due_at=now_ms if definition.at is None else max(now_ms, to_ms(definition.at)),
            reason=reason,
            alone=definition.overlap is Overlap.QUEUE,
            idempotency_key=key,
        )
        call_id = self._calls.add(conn, new, now_ms)
        if call_id is None:
            # Only on PostgreSQL: the same key was committed since we looked.
            return Saved(agent_id, call_id=sql.CALL_OF_KEY.value(conn, key=key), repeated=True)
        return Saved(agent_id, call_id=call_id)

    def _skip_open(self, conn: Connection, agent: Agent, now_ms: int, reason: str) -> int | None:
        """Note the slots that came and were not decided; return the first that is still to come."""
        schedule, first = agent.schedule, agent.next_at
        if schedule is None or first is None or first > now_ms:
            return first
        last = last_slot(schedule, first - 1, now_ms)
        if last is not None:
            note_skip(
                conn,
                agent_id=agent.id,
                agent_name=agent.name,
                queue=agent.queue,
                action=agent.action,
                skip=Skip(first, last, count_slots(schedule, first - 1, last), reason),
                now_ms=now_ms,
            )
        return next_slot(schedule, now_ms)

    def _cancel_due(self, conn: Connection, agent: Agent) -> None:
        self._jobs.cancel(conn, kind=DUE_KIND, ref=due_ref(agent.id, agent.revision))


def due_ref(agent_id: int, revision: int) -> str:
    """Return what the job of a schedule points at, such as `17.3`."""
    return f"{agent_id}.{revision}"


def _first_slot(definition: Definition, now_ms: int) -> int | None:
    return next_slot(read_schedule(definition.schedule, definition.timezone), now_ms)


def _scheduled(agent: Agent) -> Agent:
    if agent.schedule_json is None:
        raise Conflict(f'Agent "{agent.name}" has no schedule that could rest.')
    return agent


def _check_kind(known: Agent, definition: Definition) -> None:
    if known.action != definition.action:
        what = "runs a prompt" if isinstance(read_request(known.request), PromptRequest) else "calls a target"
        raise Conflict(f'Agent "{known.name}" {what}. Delete it first, or use another name.')


def _columns(definition: Definition, *, schedule: bool = True) -> dict[str, Any]:
    columns: dict[str, Any] = {
        "name": definition.name,
        "request": encode_request(definition.request),
        "queue": definition.queue,
        "timezone": definition.timezone,
        "overlap": definition.overlap.value,
        "missed": str(definition.missed),
        "retry": msgspec.json.encode(definition.retry).decode(),
    }
    if schedule:
        columns["schedule"] = msgspec.json.encode(definition.schedule).decode()
    return columns
