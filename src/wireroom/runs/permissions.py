"""Agents' questions for permission: settled by rule, or stored, shown to a person, and waited for.

The row is the question. It is there before anybody sees it, whichever process takes the answer writes it
there, and an attempt that asks again after a crash finds it. Pure rules: `runs.permission_rules`; the rows:
`runs.permission_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, EventKind, PermissionAnswer, PermissionQuestion
from wireroom.clock import Clock, came_within, to_ms
from wireroom.delivery.outbox import Recipient, send_notice
from wireroom.delivery.queries import recipient_of_run
from wireroom.errors import StoreUnavailable
from wireroom.jobs.port import Jobs
from wireroom.runs import permission_rows as rows
from wireroom.runs.attempt import Attempt
from wireroom.runs.feed import Feed
from wireroom.runs.permission_rows import PermissionState, SameQuestion
from wireroom.runs.permission_rules import Settled, Situation, ToolRule, settle
from wireroom.runs.permission_words import NOT_TAKEN, SAID, Answer, Taken, buttons_of, question_markdown
from wireroom.store.database import Database, Unit, after_commit
from wireroom.store.patience import write_patiently

T = TypeVar("T")
_POLL_SECONDS = 2.0
"""Another replica may have taken the answer; its wake-up does not reach us on every database."""

_log = structlog.get_logger(__name__)
_ALLOWED = frozenset({PermissionState.ALLOWED, PermissionState.ALLOWED_SESSION})
_ASKED_FOR_BY_PEOPLE = frozenset({"telegram", "web"})


@dataclass(frozen=True, slots=True)
class PermissionPolicy:
    """What settings say about permissions."""

    rules: Sequence[ToolRule] = ()
    wait: timedelta = timedelta(minutes=10)
    """How long a question waits for a person."""
    allow_by_default: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A stored question, and until when it waits."""

    id: str
    expires_at: int


class Permissions:
    """The desk where agents ask and people answer."""

    def __init__(
        self,
        *,
        db: Database,
        jobs: Jobs,
        clock: Clock,
        feed: Feed,
        policy: PermissionPolicy,
        new_id: Callable[[str], str],
    ) -> None:
        """Keep the neighbours; `new_id` makes an id from a prefix."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._feed = feed
        self._policy = policy
        self._new_id = new_id

    def of(self, attempt: Attempt, emit: Callable[[AgentEvent], None]) -> RunPermissions:
        """Return where the agent of an attempt asks; `emit` takes the events for its log."""
        return RunPermissions(self, attempt, emit)

    async def settle_or_store(
        self, attempt: Attempt, question: PermissionQuestion, used: set[str]
    ) -> Settled | _Waiting:
        """Return the answer if nobody must be asked; else the question, stored and on its way to a person.

        Answers of earlier attempts that are in `used` count no more; the one that counts now is added.
        """
        settled = await self._write(attempt, lambda conn: self._settle(conn, attempt, question, used))
        if isinstance(settled, tuple):
            answered, settled = settled
            used.add(answered)
        return settled

    def _settle(
        self, conn: Connection, attempt: Attempt, question: PermissionQuestion, used: set[str]
    ) -> Settled | _Waiting | tuple[str, Settled]:
        now_ms = to_ms(self._clock.now())
        same = rows.same_questions(conn, attempt.run_id, attempt.epoch, question.digest, but=used)
        before = next((one for one in same if _is_answer(one)), None)
        to = recipient_of_run(conn, attempt.run_id)
        situation = Situation(
            tool=question.tool,
            answered=before.state in _ALLOWED if before else None,
            allowed_for_session=rows.is_allowed_for_session(conn, attempt.conversation_id, question.tool),
            attended=self._is_attended(conn, attempt, to),
            default=self._policy.allow_by_default,
        )
        settled = settle(self._policy.rules, situation)
        if settled is not None:
            return (before.id, settled) if before else settled
        waiting = next((one for one in same if _waits(one, now_ms)), None)
        if waiting is not None:
            return _Waiting(waiting.id, waiting.expires_at)
        return self._store(conn, attempt, question, to, now_ms)

    def _is_attended(self, conn: Connection, attempt: Attempt, to: Recipient | None) -> bool:
        if attempt.options.unattended:
            return False
        return to is not None or rows.source_of_run(conn, attempt.run_id) in _ASKED_FOR_BY_PEOPLE

    def _store(
        self,
        conn: Connection,
        attempt: Attempt,
        question: PermissionQuestion,
        to: Recipient | None,
        now_ms: int,
    ) -> _Waiting:
        waiting = _Waiting(self._new_id("perm"), now_ms + round(self._policy.wait.total_seconds() * 1000))
        rows.store_question(
            conn,
            waiting.id,
            question,
            run_id=attempt.run_id,
            conversation_id=attempt.conversation_id,
            now_ms=now_ms,
            expires_ms=waiting.expires_at,
        )
        if to is not None:
            body = question_markdown(question)
            send_notice(conn, self._jobs, to, body, now_ms=now_ms, buttons=buttons_of(waiting.id))
        return waiting

    async def wait(self, attempt: Attempt, waiting: _Waiting) -> PermissionState:
        """Wait for the answer; a question that nobody answers expires."""
        with self._feed.listen(permission_topic(waiting.id)) as news:
            while True:
                news.clear()
                state = await self._state_of(waiting.id)
                if state is not PermissionState.ASKED:
                    return state
                left = (waiting.expires_at - to_ms(self._clock.now())) / 1000
                if left <= 0:
                    return await self._write(attempt, lambda conn: self._expire(conn, waiting.id))
                await came_within(min(left, _POLL_SECONDS), news.wait())

    async def _state_of(self, permission_id: str) -> PermissionState:
        try:
            found = await self._db.read(lambda conn: rows.find_permission(conn, permission_id))
        except StoreUnavailable as error:
            _log.warning("permission_not_read", permission_id=permission_id, reason=str(error))
            return PermissionState.ASKED
        return PermissionState.EXPIRED if found is None else found.state

    def _expire(self, conn: Connection, permission_id: str) -> PermissionState:
        now_ms = to_ms(self._clock.now())
        rows.close_question(conn, permission_id, PermissionState.EXPIRED, by=None, now_ms=now_ms)
        found = rows.find_permission(conn, permission_id)
        return PermissionState.EXPIRED if found is None else found.state

    async def _write(self, attempt: Attempt, unit: Unit[T]) -> T:
        return await write_patiently(self._db, unit, what=f"permission of {attempt.run_id}")

    def answer_of(self, state: PermissionState) -> PermissionAnswer:
        """Return what a question in this state means for the agent."""
        if state in _ALLOWED or (state is PermissionState.EXPIRED and self._policy.allow_by_default):
            return PermissionAnswer.ALLOWED
        return PermissionAnswer.EXPIRED if state is PermissionState.EXPIRED else PermissionAnswer.DENIED


class RunPermissions:
    """What one attempt's agent asks."""

    def __init__(self, desk: Permissions, attempt: Attempt, emit: Callable[[AgentEvent], None]) -> None:
        self._desk = desk
        self._attempt = attempt
        self._emit = emit
        self._used: set[str] = set()

    async def ask(self, question: PermissionQuestion) -> PermissionAnswer:
        """Return the answer, after as long as a person takes; see `Host.ask`."""
        found = await self._desk.settle_or_store(self._attempt, question, self._used)
        if isinstance(found, Settled):
            answer = PermissionAnswer.ALLOWED if found.allowed else PermissionAnswer.DENIED
            self._tell("", question, answer.value, found.why)
            return answer
        self._tell(found.id, question, PermissionState.ASKED.value)
        state = await self._desk.wait(self._attempt, found)
        self._used.add(found.id)
        answer = self._desk.answer_of(state)
        self._tell(found.id, question, answer.value)
        return answer

    def _tell(self, permission_id: str, question: PermissionQuestion, state: str, why: str = "") -> None:
        summary = f"{question.subject} ({why})" if why else question.subject
        payload = {"id": permission_id, "tool": question.tool, "summary": summary, "state": state}
        self._emit(AgentEvent(EventKind.PERMISSION, payload))


def answer_question(
    conn: Connection,
    permission_id: str,
    answer: Answer,
    *,
    by: str,
    now_ms: int,
    publish: Callable[[str], None],
    lane: str | None = None,
) -> Taken:
    """Store a person's answer, and wake the agent that waits for it once it is durable.

    Args:
        conn: The unit.
        permission_id: Which question.
        answer: What the person says.
        by: Who, for the audit.
        now_ms: Now.
        publish: Wakes the readers of a topic.
        lane: Where it was answered; a question of another lane is gone there. None: anywhere.
    """
    found = rows.find_permission(conn, permission_id)
    if found is None or (lane is not None and found.lane != lane):
        return Taken.GONE
    if found.state not in {PermissionState.ASKED, PermissionState.EXPIRED}:
        return Taken.ANSWERED
    if not found.is_open(now_ms):
        return Taken.TOO_LATE
    if not rows.close_question(conn, permission_id, answer.state, by=by, now_ms=now_ms):
        # Only on PostgreSQL: another answer was committed since we looked.
        return Taken.ANSWERED
    after_commit(conn, lambda: publish(permission_topic(permission_id)))
    return Taken.TAKEN


def press_answer(
    conn: Connection,
    word: str,
    permission_id: str,
    *,
    lane: str,
    by: str,
    now_ms: int,
    publish: Callable[[str], None],
) -> str:
    """Do what a pressed button of a question says, and return the line that acknowledges it."""
    answer = Answer(word)
    taken = answer_question(conn, permission_id, answer, by=by, now_ms=now_ms, publish=publish, lane=lane)
    return SAID[answer.state] if taken is Taken.TAKEN else NOT_TAKEN[taken]


def permission_topic(permission_id: str) -> str:
    """Return the feed's topic of a question's answer."""
    return f"permission:{permission_id}"


def _is_answer(one: SameQuestion) -> bool:
    is_answered = one.state not in {PermissionState.ASKED, PermissionState.EXPIRED}
    return is_answered and one.of_earlier_attempt


def _waits(one: SameQuestion, now_ms: int) -> bool:
    return one.state is PermissionState.ASKED and now_ms < one.expires_at
