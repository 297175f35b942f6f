"""Units of work on the topics that people want made: each is asked of Telegram once, also over a crash.

createForumTopic makes another topic each time that it is called, so the row says before the call that it is
made. What is unknown after a crash is settled by Telegram's own news: it tells a bot of the topics that it
made itself. See `topic_maker` for who acts on this.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from wireroom.delivery import outbox
from wireroom.delivery.outbox import Recipient
from wireroom.intake.update import Place, lane_name
from wireroom.jobs.port import Jobs
from wireroom.store.statement import Statement

KIND = "topic"
WANTED, SENDING, UNSURE, DONE, REFUSED = "wanted", "sending", "unsure", "done", "refused"

_WANT = Statement("""
    INSERT INTO topic_requests (bot_id, update_id, chat_id, asked_thread_id, asked_message_id, name,
                                repository, folder, state, created_at)
    VALUES (:bot_id, :update_id, :chat_id, :asked_thread_id, :asked_message_id, :name,
            :repository, :folder, 'wanted', :now_ms)
    ON CONFLICT (bot_id, update_id) DO NOTHING RETURNING id
""")
"""Want a topic, once for each message that asks for one."""

_LOAD = Statement("""
    SELECT id, bot_id, chat_id, asked_thread_id, asked_message_id, name, repository, folder, state,
        created_at, sent_at
    FROM topic_requests WHERE id = :id
""")
"""One wanted topic."""

_MARK = Statement("""
    UPDATE topic_requests SET state = :state, error = :error, sent_at = COALESCE(:sent_at, sent_at)
    WHERE id = :id AND thread_id IS NULL
""")
"""Note where it stands, unless the topic is known already."""

_SETTLE = Statement("""
    UPDATE topic_requests SET state = 'done', thread_id = :thread_id, error = NULL
    WHERE id = :id AND thread_id IS NULL
""")
"""Note which topic it is, once."""

_UNCLAIMED = Statement("""
    SELECT t.thread_id FROM topics AS t
    WHERE t.bot_id = :bot_id AND t.chat_id = :chat_id AND t.name = :name AND t.made_by_bot = 1
        AND NOT EXISTS (SELECT 1 FROM topic_requests AS r WHERE r.bot_id = t.bot_id
            AND r.chat_id = t.chat_id AND r.thread_id = t.thread_id)
    ORDER BY t.thread_id LIMIT 1
""")
"""A topic of this name that the bot made and that no request knows to be its own."""

_UNSETTLED = Statement("""
    SELECT id FROM topic_requests WHERE bot_id = :bot_id AND chat_id = :chat_id AND name = :name
        AND thread_id IS NULL AND state = 'unsure' ORDER BY id LIMIT 1
""")
"""A request of this name of which nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class NewTopic:
    """What `/topic new` names."""

    name: str
    repository: str | None
    """Its project, None for a folder of its own."""
    folder: str | None


@dataclass(frozen=True, slots=True)
class WantedTopic:
    """A topic that somebody wants made."""

    id: int
    bot_id: int
    chat_id: int
    asked_thread_id: int | None
    asked_message_id: int | None
    name: str
    repository: str | None
    folder: str | None
    state: str
    """wanted, sending, unsure, done or refused."""
    created_at: int
    sent_at: int | None
    """When Telegram was last asked to make it."""

    @property
    def asked_in(self) -> Recipient:
        """Where it was asked for."""
        lane = lane_name(self.bot_id, self.chat_id, self.asked_thread_id)
        return Recipient(lane, self.bot_id, self.chat_id, self.asked_thread_id, self.asked_message_id)


def want_topic(
    conn: Connection, jobs: Jobs, to: Recipient, new: NewTopic, *, update_id: int, now_ms: int
) -> None:
    """Have the topic made; the same message again wants no second one."""
    row_id = _WANT.value(
        conn,
        bot_id=to.bot_id,
        update_id=update_id,
        chat_id=to.chat_id,
        asked_thread_id=to.thread_id,
        asked_message_id=to.reply_to,
        name=new.name,
        repository=new.repository,
        folder=new.folder,
        now_ms=now_ms,
    )
    if row_id is not None:
        enqueue_topic_job(conn, jobs, to.lane, f"new.{row_id}")


def enqueue_topic_job(conn: Connection, jobs: Jobs, lane: str, ref: str) -> None:
    """Have something done about a topic: `new.<row>`, or `rename.`, `close.`, `reopen.<update id>`."""
    key = f"{KIND}:{lane}"
    jobs.enqueue(conn, queue=outbox.QUEUE, kind=KIND, ref=ref, key=key, dedupe=f"{key}:{ref}")


def load_wanted(conn: Connection, row_id: int) -> WantedTopic | None:
    """Return the wanted topic, None when there is none."""
    row = _LOAD.row(conn, id=row_id)
    return None if row is None else WantedTopic(*row)


def mark_wanted(
    conn: Connection, row_id: int, state: str, *, sent_at: int | None = None, error: str | None = None
) -> None:
    """Note where the request stands; one whose topic is known stays done."""
    _MARK.run(conn, id=row_id, state=state, error=error, sent_at=sent_at)


def settle(conn: Connection, row_id: int, thread_id: int) -> bool:
    """Note which topic the request became; False when that is known already."""
    return bool(_SETTLE.run(conn, id=row_id, thread_id=thread_id))


def unclaimed_topic(conn: Connection, wanted: WantedTopic) -> int | None:
    """Return the thread of a topic that must be this request's: of its name, by the bot, not another's."""
    found: int | None = _UNCLAIMED.value(conn, bot_id=wanted.bot_id, chat_id=wanted.chat_id, name=wanted.name)
    return found


def look_again(conn: Connection, jobs: Jobs, place: Place, bot_id: int, name: str) -> None:
    """Have a request looked at whose outcome is unknown, now that a topic of its name was heard of."""
    row_id = _UNSETTLED.value(conn, bot_id=bot_id, chat_id=place.chat_id, name=name)
    if row_id is not None:
        enqueue_topic_job(conn, jobs, place.lane(bot_id), f"new.{row_id}")


def want_again(conn: Connection, jobs: Jobs, row_id: int, to: Recipient) -> bool:
    """Have a topic made of which nobody knows whether it was; False when it is known, or of another chat."""
    wanted = load_wanted(conn, row_id)
    here = (to.bot_id, to.chat_id)
    if wanted is None or (wanted.bot_id, wanted.chat_id) != here or wanted.state != UNSURE:
        return False
    mark_wanted(conn, row_id, WANTED)
    enqueue_topic_job(conn, jobs, wanted.asked_in.lane, f"new.{row_id}")
    return True
