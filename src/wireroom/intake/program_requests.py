"""From a program's request to a stored run: its conversation, its turn, its callback, in one transaction.

A program speaks into the current conversation of its queue, or into one that it names; runs of one
conversation have one lane and go one at a time, conversations side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from msgspec.structs import replace
from sqlalchemy import Connection, select

from wireroom.callbacks.outbox import open_callback
from wireroom.conversations.threads import (
    Conversation,
    NewConversation,
    begin_conversation,
    find_conversation,
    find_current,
)
from wireroom.errors import Conflict
from wireroom.intake.ask import Asker
from wireroom.intake.known_requests import other_wishes, promise_callback
from wireroom.jobs.port import Jobs
from wireroom.runs.endings import end_without_agent
from wireroom.runs.feed import Feed, lane_topic
from wireroom.runs.options import RunOptions
from wireroom.runs.queries import RunView, find_run
from wireroom.runs.records import NewRun, create_run
from wireroom.runs.states import RunMode, RunState
from wireroom.runs.verdict import Verdict
from wireroom.store.database import after_commit
from wireroom.store.schema import runs
from wireroom.store.statement import Statement

CHANNEL = "api"
QUEUES = ("default", "telegram", "api")
_LANE = "conversation:"
_QUEUE_LANE = "queue:"

_COUNT_WAITING = Statement("SELECT count(*) FROM runs WHERE state = 'queued'")
"""How many runs wait for their turn."""

_COUNT_RUNNING = Statement("SELECT count(*) FROM runs WHERE state = 'running'")
"""How many runs are worked on."""


@dataclass(frozen=True, slots=True)
class ProgramRequest:
    """What a program wants done."""

    request_id: str
    """The same id twice is one run."""
    prompt: str
    mode: RunMode = RunMode.EXECUTE
    conversation_id: str | None = None
    """None: the current one of its queue."""
    callback_url: str | None = None
    backend: str | None = None
    workdir: str | None = None
    """Folder of the repository that it named; None: the conversation's."""
    options: RunOptions = field(default_factory=RunOptions)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request is a stored run."""

    run_id: str
    request_id: str
    conversation_id: str
    created: bool
    """False when this request id was stored before; it is one run."""


@dataclass(frozen=True, slots=True)
class QueueFull:
    """As many runs wait as may wait; nothing was stored."""

    limit: int


def queue_lane(queue_type: str | None) -> str:
    """Return the lane whose current conversation a queue's requests join; an unknown queue is the default.

    Pure. Source: contract of cursor-runner, section 1.0.
    """
    return f"{_QUEUE_LANE}{queue_type if queue_type in QUEUES else QUEUES[0]}"


def queue_of(lane: str) -> str | None:
    """Return the queue of a lane that `queue_lane` gave, None for another lane. Pure."""
    return lane.removeprefix(_QUEUE_LANE) if lane.startswith(_QUEUE_LANE) else None


def own_lane(conversation_id: str) -> str:
    """Return the lane of a conversation that programs hold. Pure."""
    return f"{_LANE}{conversation_id}"


def turn_of(conversation: Conversation) -> str:
    """Return the lane of the conversation's runs: a chat's own, so that its order holds for programs too."""
    if conversation.lane.startswith((_QUEUE_LANE, _LANE)):
        return own_lane(conversation.id)
    return conversation.lane


def count_waiting(conn: Connection) -> int:
    """Return how many runs wait for their turn."""
    return int(_COUNT_WAITING.value(conn))


def count_running(conn: Connection) -> int:
    """Return how many runs are worked on."""
    return int(_COUNT_RUNNING.value(conn))


class ProgramIntake:
    """Stores programs' requests."""

    def __init__(
        self, jobs: Jobs, feed: Feed, asker: Asker, *, queue_limit: int, elevenlabs: bool = False
    ) -> None:
        """Keep the neighbours.

        Args:
            jobs: Where the run's job goes.
            feed: Told of each new run.
            asker: Begins conversations, and names the coding agent of new runs.
            queue_limit: Runs that may wait.
            elevenlabs: Voice agents of ElevenLabs are called back, too.
        """
        self._jobs = jobs
        self._feed = feed
        self._asker = asker
        self._queue_limit = queue_limit
        self._elevenlabs = elevenlabs

    def accept(self, conn: Connection, wanted: ProgramRequest, now_ms: int) -> Accepted | QueueFull:
        """Store the run, its job and its callback.

        Raises:
            BadInput: the callback's address cannot be meant.
            Conflict: the request id stands for another request.
        """
        known = self._known(conn, wanted, now_ms)
        if known is not None:
            return known
        if count_waiting(conn) >= self._queue_limit:
            return QueueFull(self._queue_limit)
        return self._store(conn, wanted, now_ms)

    def reject(self, conn: Connection, wanted: ProgramRequest, reason: str, now_ms: int) -> Accepted:
        """Store a request that cannot be run as a run that has failed, and call its caller back.

        Raises:
            BadInput: the callback's address cannot be meant.
            Conflict: the request id stands for another request.
        """
        stored = self._known(conn, wanted, now_ms) or self._store(conn, wanted, now_ms)
        if stored.created:
            verdict = Verdict(RunState.FAILED, "", reason, None, "rejected")
            end_without_agent(conn, self._jobs, stored.run_id, verdict, now_ms)
        return stored

    def again(self, conn: Connection, run: RunView, request_id: str, now_ms: int) -> Accepted:
        """Ask once more what an earlier run was asked, in the same conversation; nobody is called back.

        Raises:
            Conflict: the request id stands for another request.
        """
        wanted = ProgramRequest(
            request_id,
            run.prompt,
            run.mode,
            run.conversation_id,
            backend=run.backend,
            workdir=conn.execute(select(runs.c.workdir).where(runs.c.id == run.id)).scalar_one(),
            options=replace(run.options, has_callback=False),
        )
        return self._known(conn, wanted, now_ms) or self._store(conn, wanted, now_ms)

    def begin(self, conn: Connection, queue_type: str | None, now_ms: int) -> Conversation:
        """Begin a new conversation as the queue's current one."""
        return self._asker.begin(conn, queue_lane(queue_type), CHANNEL, now_ms)

    def _store(self, conn: Connection, wanted: ProgramRequest, now_ms: int) -> Accepted:
        conversation = self._conversation(conn, wanted, now_ms)
        lane = turn_of(conversation)
        new = NewRun(
            id=self._asker.new_id("run"),
            request_id=wanted.request_id,
            conversation_id=conversation.id,
            lane=lane,
            source=CHANNEL,
            prompt=wanted.prompt,
            backend=wanted.backend or conversation.backend or self._asker.backend,
            workdir=wanted.workdir or conversation.workdir,
            mode=wanted.mode,
            options=replace(wanted.options, has_callback=wanted.callback_url is not None),
        )
        if not create_run(conn, self._jobs, new, now_ms):
            # Only on PostgreSQL: the same request was committed since `_known` looked.
            return self._known(conn, wanted, now_ms) or self._store(conn, wanted, now_ms)
        if wanted.callback_url is not None:
            open_callback(conn, new.id, wanted.callback_url, now_ms, elevenlabs=self._elevenlabs)
        after_commit(conn, partial(self._feed.publish, lane_topic(lane)))
        return Accepted(new.id, wanted.request_id, conversation.id, created=True)

    def _conversation(self, conn: Connection, wanted: ProgramRequest, now_ms: int) -> Conversation:
        """Return the conversation that was named, begun if it is new, else the current one of the queue."""
        named = wanted.conversation_id
        if named is None:
            lane = queue_lane(wanted.options.queue_type)
            return find_current(conn, lane) or self._asker.begin(conn, lane, CHANNEL, now_ms)
        known = find_conversation(conn, named)
        if known is not None:
            return known
        new = NewConversation(named, CHANNEL, own_lane(named), self._asker.workdir(named))
        return begin_conversation(conn, new, now_ms)

    def _known(self, conn: Connection, wanted: ProgramRequest, now_ms: int) -> Accepted | None:
        """Return the run that this request is already, its callback promised; None for a new one."""
        run = find_run(conn, wanted.request_id)
        if run is None:
            return None
        differing = other_wishes(
            run,
            prompt=wanted.prompt,
            mode=wanted.mode,
            backend=wanted.backend,
            conversation_id=wanted.conversation_id,
            options=wanted.options,
        )
        if run.request_id != wanted.request_id or differing:
            what = f" (another {', '.join(differing)})" if differing else ""
            raise Conflict(f"The id {wanted.request_id} was used for something else{what}. Use a fresh one.")
        if wanted.callback_url is not None:
            url = wanted.callback_url
            promise_callback(conn, self._jobs, run.id, url, now_ms, elevenlabs=self._elevenlabs)
        return Accepted(run.id, run.request_id, run.conversation_id, created=False)
