"""Units of work by which one message's words go to another run: collected before it, or told to its agent.

Each message is a run of its own from the start, so its request id is known for good. It becomes `joined` in
the commit that gives its words away, or it begins as any other run: never both. Whoever gives words to a run
takes a number of its log first, which holds that run where it stands until the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs
from sqlalchemy import Connection

from wireroom.backends.protocol import AgentEvent, EventKind
from wireroom.conversations.threads import append_message
from wireroom.runs.busy import BusyMode, as_one
from wireroom.runs.events import append_numbered, state_event
from wireroom.runs.options import RunOptions, encode, read_options
from wireroom.runs.queries import RunView, reword_waiting
from wireroom.runs.states import RunState
from wireroom.store.statement import Statement

_COLLECTED = "Collected into the request that waits."
_TAKEN = "Given to the agent at work."

_NUMBER_OF_WAITING = Statement("""
    UPDATE runs SET event_count = event_count + 1
    WHERE id = :run_id AND state = 'queued' AND epoch = 0 AND cancel_requested_at IS NULL
    RETURNING event_count
""")
"""Take the next number of the log of a run that has not begun; it cannot begin before the commit."""

_NUMBER_AT_WORK = Statement("""
    UPDATE runs SET event_count = event_count + 1
    WHERE id = :run_id AND state = 'running' AND cancel_requested_at IS NULL
    RETURNING event_count
""")
"""Take the next number of the log of a run at work; it cannot end before the commit."""

_NUMBER_OF_BEGUN = Statement("""
    UPDATE runs SET event_count = event_count + 1
    WHERE id = :run_id AND state = 'running' AND epoch = :epoch
    RETURNING event_count
""")
"""Take the next number of the log of an attempt at work, which may be about to be stopped."""

_ADD = Statement("""
    INSERT INTO runs (id, request_id, conversation_id, lane, source, source_message_id, prompt, backend,
                      workdir, mode, options, joined_run_id, state, reason, epoch, interruptions, event_count,
                      queued_at, finished_at)
    SELECT :id, :request_id, conversation_id, lane, source, :source_message_id, :prompt, backend,
           workdir, mode, :options, id, 'joined', :reason, 0, 0, 1, :now_ms, :now_ms
    FROM runs WHERE id = :head_id
    ON CONFLICT DO NOTHING
""")
"""Store a message whose words go to a run that waits."""

_JOINED = Statement("SELECT prompt, options FROM runs WHERE joined_run_id = :run_id AND state = 'joined'")
"""What went to a run."""

_OFFERED = Statement("""
    SELECT id, prompt, options FROM runs
    WHERE joined_run_id = :run_id AND state = 'queued' AND epoch = 0 AND cancel_requested_at IS NULL
""")
"""What is offered to a run at work and has not been taken."""

_PROMPT = Statement("UPDATE runs SET prompt = :prompt WHERE id = :run_id")
"""Keep what a run is asked once all of it is known."""

_HAND = Statement("""
    UPDATE runs SET options = :options
    WHERE id = :message_id AND state = 'queued' AND epoch = 0 AND cancel_requested_at IS NULL
        AND EXISTS (SELECT 1 FROM runs AS told
                    WHERE told.id = :run_id AND told.state = 'running' AND told.epoch = :epoch)
""")
"""Note that an offered message is about to be told to the agent."""

_TAKE = Statement("""
    UPDATE runs SET state = 'joined', reason = :reason, finished_at = :now_ms, event_count = event_count + 1
    WHERE id = :run_id AND state = 'queued' AND epoch = 0 RETURNING event_count, prompt, conversation_id
""")
"""Close a message that an agent has taken."""

_REWORD = Statement("UPDATE runs SET prompt = :prompt WHERE id = :run_id AND state = 'joined'")
"""Change a collected message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message whose words go to another run."""

    run_id: str
    """Its own."""
    request_id: str
    text: str
    source_message_id: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """A message that waits to be told to an agent at work."""

    run_id: str
    """Its own."""
    text: str
    options: RunOptions

    @property
    def was_handed(self) -> bool:
        """True when it was about to be told to an agent already."""
        return self.options.handed


def collect(conn: Connection, head_id: str, message: Message, now_ms: int) -> int | None:
    """Add the message to the run that waits; return how many it has by now, None when it waits no more."""
    number = _NUMBER_OF_WAITING.value(conn, run_id=head_id)
    if number is None:
        return None
    options = RunOptions(busy=BusyMode.COLLECT, place=number)
    added = _ADD.run(
        conn,
        id=message.run_id,
        request_id=message.request_id,
        source_message_id=message.source_message_id,
        prompt=message.text,
        options=encode(options).decode(),
        reason=_COLLECTED,
        head_id=head_id,
        now_ms=now_ms,
    )
    if added:
        append_numbered(conn, message.run_id, 1, [state_event(RunState.JOINED, _COLLECTED)], now_ms)
    append_numbered(conn, head_id, number, [_event(message.run_id, message.text, "collected")], now_ms)
    return count_collected(conn, head_id)


def count_collected(conn: Connection, head_id: str) -> int:
    """Return how many messages a run that collects has, its own included."""
    return 1 + len(_JOINED.rows(conn, run_id=head_id))


def note_offer(conn: Connection, run_id: str, message_run_id: str, text: str, now_ms: int) -> int | None:
    """Note in the log of a run at work of an offered message; return its place, None when it has ended."""
    number: int | None = _NUMBER_AT_WORK.value(conn, run_id=run_id)
    if number is not None:
        append_numbered(conn, run_id, number, [_event(message_run_id, text, "offered")], now_ms)
    return number


def reword(conn: Connection, run: RunView, text: str, now_ms: int) -> bool:
    """Give a message that waits its new wording; False when it has begun, or its words are given away."""
    if run.state is not RunState.JOINED or run.joined_run_id is None:
        return reword_waiting(conn, run.id, text)
    if run.options.busy != BusyMode.COLLECT:
        return False
    return _reword_collected(conn, run.id, run.joined_run_id, text, now_ms)


def _reword_collected(conn: Connection, run_id: str, head_id: str, text: str, now_ms: int) -> bool:
    number = _NUMBER_OF_WAITING.value(conn, run_id=head_id)
    if number is None:
        return False
    _REWORD.run(conn, run_id=run_id, prompt=text)
    append_numbered(conn, head_id, number, [_event(run_id, text, "collected")], now_ms)
    return True


def offers(conn: Connection, run_id: str) -> Sequence[Offer]:
    """Return what is offered to the run, in the order in which it came."""
    found = [
        Offer(own, prompt, read_options(stored)) for own, prompt, stored in _OFFERED.rows(conn, run_id=run_id)
    ]
    return sorted(found, key=lambda offer: offer.options.place)


def whole_prompt(conn: Connection, run_id: str, prompt: str, options: RunOptions, epoch: int) -> str:
    """Return what the attempt is to ask: the run's own words with those that went to it, in their order.

    At the first attempt what was collected is put together for good; a later one repeats what the agent of an
    earlier one has taken.
    """
    if epoch == 1:
        if options.busy != BusyMode.COLLECT:
            return prompt
        whole = as_one([prompt, *_texts(conn, run_id, BusyMode.COLLECT)])
        _PROMPT.run(conn, run_id=run_id, prompt=whole)
        return whole
    return as_one([prompt, *_texts(conn, run_id, BusyMode.STEER)])


def take_handed(conn: Connection, run_id: str, epoch: int, now_ms: int) -> tuple[str, ...]:
    """Take what an earlier attempt's agent was being told when it was cut off; return those runs."""
    handed = [offer.run_id for offer in offers(conn, run_id) if offer.was_handed]
    return tuple(one for one in handed if take(conn, run_id, one, epoch=epoch, now_ms=now_ms))


def hand(conn: Connection, message_run_id: str, run_id: str, epoch: int) -> bool:
    """Mark the offered message as about to be told by this attempt; False when that is not to be."""
    found = next((one for one in offers(conn, run_id) if one.run_id == message_run_id), None)
    if found is None:
        return False
    options = encode(structs.replace(found.options, handed=True)).decode()
    return bool(_HAND.run(conn, message_id=message_run_id, run_id=run_id, epoch=epoch, options=options))


def take(conn: Connection, run_id: str, message_run_id: str, *, epoch: int, now_ms: int) -> bool:
    """Close the message that the attempt's agent has taken, in both logs and in the conversation.

    False when the attempt is not the newest at work, or the message is over or has begun by itself.
    """
    number = _NUMBER_OF_BEGUN.value(conn, run_id=run_id, epoch=epoch)
    if number is None:
        return False
    row = _TAKE.row(conn, run_id=message_run_id, reason=_TAKEN, now_ms=now_ms)
    if row is None:
        append_numbered(conn, run_id, number, [_event(message_run_id, "", "withdrawn")], now_ms)
        return False
    own, text, conversation_id = row
    append_numbered(conn, message_run_id, own, [state_event(RunState.JOINED, _TAKEN)], now_ms)
    append_message(conn, conversation_id, "user", text, run_id=message_run_id, now_ms=now_ms)
    append_numbered(conn, run_id, number, [_event(message_run_id, text, "taken")], now_ms)
    return True


def _texts(conn: Connection, run_id: str, mode: BusyMode) -> list[str]:
    found = [(read_options(stored), text) for text, stored in _JOINED.rows(conn, run_id=run_id)]
    return [text for options, text in sorted(found, key=lambda one: one[0].place) if options.busy == mode]


def _event(message_run_id: str, text: str, state: str) -> AgentEvent:
    return AgentEvent(EventKind.MESSAGE, {"run_id": message_run_id, "text": text, "state": state})
