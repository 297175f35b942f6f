"""Gives an agent at work what people say to it meanwhile, and notes what it has taken.

An offer is marked before it is told, and closed once the agent says that it has it. What is marked and was
not closed belongs to the run's next attempt, or, when there is none, has its own turn.
"""

from __future__ import annotations

from sqlalchemy import Connection

from wireroom.backends.protocol import Words
from wireroom.clock import Clock, came_within, to_ms
from wireroom.jobs.port import Jobs
from wireroom.runs import joining
from wireroom.runs.attempt import Attempt
from wireroom.runs.feed import Feed, lane_topic, run_topic
from wireroom.runs.telling import tell_end
from wireroom.runs.waiting_words import TOLD
from wireroom.store.database import Database, after_commit
from wireroom.store.patience import write_patiently

_POLL_SECONDS = 2.0
"""Another replica may have stored the message; its wake-up does not reach us on every database."""


def offer_topic(run_id: str) -> str:
    """Return the topic of what is offered to a run at work."""
    return f"offers:{run_id}"


def close_taken(conn: Connection, jobs: Jobs, message_run_id: str, now_ms: int) -> None:
    """Tell where a message was sent that an agent has taken it."""
    tell_end(conn, jobs, message_run_id, TOLD, now_ms=now_ms)


class Steering:
    """What is offered to one attempt's agent."""

    def __init__(
        self, db: Database, jobs: Jobs, clock: Clock, feed: Feed, *, attempt: Attempt, lane: str
    ) -> None:
        """Serve this attempt."""
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._feed = feed
        self._attempt = attempt
        self._lane = lane

    async def words(self) -> Words:
        """Return the first offer that nobody has handed on, once there is one."""
        with self._feed.listen(offer_topic(self._attempt.run_id)) as news:
            while True:
                news.clear()
                found = await self._db.read(lambda conn: joining.offers(conn, self._attempt.run_id))
                for offer in found:
                    if not offer.was_handed:
                        return Words(offer.run_id, offer.text)
                await came_within(_POLL_SECONDS, news.wait())

    async def hand(self, words: Words) -> bool:
        """Mark the offer before the agent is told; False when it is none any more."""

        def unit(conn: Connection) -> bool:
            return joining.hand(conn, words.id, self._attempt.run_id, self._attempt.epoch)

        return await write_patiently(self._db, unit, what=f"words {words.id}")

    async def heard(self, words_id: str) -> None:
        """Close the message that the agent has taken, in one commit with what tells of it."""
        run_id, epoch = self._attempt.run_id, self._attempt.epoch

        def unit(conn: Connection) -> None:
            now_ms = to_ms(self._clock.now())
            if joining.take(conn, run_id, words_id, epoch=epoch, now_ms=now_ms):
                close_taken(conn, self._jobs, words_id, now_ms)
            after_commit(conn, self._publish)

        await write_patiently(self._db, unit, what=f"words {words_id}")

    def _publish(self) -> None:
        self._feed.publish(run_topic(self._attempt.run_id))
        self._feed.publish(lane_topic(self._lane))
