"""What all bots of this process do together: signs, files, updates, deliveries, git steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import aiohttp

from wireroom.app.bot import Bot, first_bot
from wireroom.app.by_bot import HandlersByBot, HandsByBot, PerBot, RunsByBot, SignsByBot, TopicsByBot
from wireroom.app.engine import DELIVERY_CONCURRENCY, Engine
from wireroom.app.files import make_fetching
from wireroom.app.fleet import Fleet
from wireroom.app.outgoing import http_session
from wireroom.app.runner import Surroundings
from wireroom.app.updates import make_git_chat, make_update_handler
from wireroom.callbacks.lookups import Lookups
from wireroom.clock import Clock
from wireroom.delivery import outbox
from wireroom.delivery.bot_senders import BotSenders
from wireroom.intake import accept, git_chat, topic_requests
from wireroom.intake.ask import Asker
from wireroom.intake.topic_maker import TopicMaker
from wireroom.jobs.port import Handler
from wireroom.runs.feed import Feed
from wireroom.sealing import seal_of
from wireroom.settings import Settings
from wireroom.speech.limits import Recording


@dataclass(frozen=True, slots=True)
class BotWork:
    """The bots of this process and what finds the right one."""

    fleet: Fleet
    runs: RunsByBot
    signs: SignsByBot

    def hands(self, around: Surroundings) -> HandsByBot:
        """Return what has files here before a run begins."""
        return HandsByBot(self.runs, PerBot(self.fleet, partial(make_fetching, around)))

    def handlers(
        self,
        around: Surroundings,
        asker: Asker,
        session: aiohttp.ClientSession,
        deafness: Callable[[int, Recording], str | None],
    ) -> dict[str, Handler]:
        """Return what handles the jobs of chats, by kind; `deafness` is `speech.SpeechWork.deafness`."""
        engine, fleet = around.engine, self.fleet
        senders = BotSenders(
            db=engine.db,
            jobs=engine.jobs,
            clock=around.clock,
            permits=engine.permits,
            slots=DELIVERY_CONCURRENCY,
            senders=fleet.senders,
            absence=fleet.absence,
            first=fleet.first_id,
        )

        def update_handler(bot_id: int) -> Handler:
            return make_update_handler(around, asker, fleet, bot_id, partial(deafness, bot_id)).handle

        def git_handler(bot_id: int) -> Handler:
            return make_git_chat(around, session, bot_id).handle

        def topic_maker(bot: Bot) -> TopicMaker:
            return TopicMaker(client=bot.client, db=engine.db, jobs=engine.jobs, clock=around.clock)

        return {
            topic_requests.KIND: TopicsByBot(PerBot(fleet, topic_maker), around.clock).handle,
            accept.KIND: HandlersByBot(fleet, update_handler).handle,
            git_chat.KIND: HandlersByBot(fleet, git_handler).handle,
            outbox.KIND: senders.handle,
        }


def make_bot_work(
    settings: Settings,
    engine: Engine,
    clock: Clock,
    feed: Feed,
    *,
    session: aiohttp.ClientSession,
    lookups: Lookups,
    webhook_secret: str,
    works: bool,
) -> BotWork:
    """Return the bots: that of the settings is there at once, the others once they have been looked up.

    Args:
        settings: See `settings`.
        engine: Where bots and their messages are.
        clock: Where the time comes from.
        feed: Tells that the bots have changed.
        session: What the settings' bot calls with.
        lookups: Looks names up for the connections of the others.
        webhook_secret: What Telegram sends with the updates of the settings' bot.
        works: Whether this process works jobs.
    """
    fleet = Fleet(
        first_bot(settings, engine, clock, session, webhook_secret),
        settings=settings,
        engine=engine,
        clock=clock,
        feed=feed,
        seal=seal_of(settings),
        open_session=lambda: http_session(lookups, settings),
        works=works,
    )
    runs = RunsByBot(fleet, engine.db)
    return BotWork(fleet, runs, SignsByBot(runs))
