"""Who brings files that people send to the bot, in this installation."""

from __future__ import annotations

import random
from datetime import timedelta

from wireroom.app.bot import Bot
from wireroom.app.runner import Surroundings
from wireroom.runs.fetching import Fetching
from wireroom.settings import Settings
from wireroom.workspaces.fetcher import Fetcher
from wireroom.workspaces.given import LOCAL_BYTES, MEGABYTE, TELEGRAM_BYTES, FileLimits
from wireroom.workspaces.inbox import Inbox


def file_limits(settings: Settings) -> FileLimits:
    """Return what is taken from a chat: 20 MB of a file, or more from a Bot API server of one's own."""
    there = LOCAL_BYTES if settings.local_files else TELEGRAM_BYTES
    return FileLimits(
        most_bytes=min(there, settings.chat_file_mib * MEGABYTE),
        refused=frozenset(settings.refused_files),
        album=timedelta(seconds=settings.album_seconds),
        patience_seconds=settings.file_seconds,
    )


def make_fetching(around: Surroundings, bot: Bot) -> Fetching:
    """Return what has files that were sent to the bot here before a run begins."""
    limits = file_limits(around.settings)
    inbox = Inbox(around.settings.data_dir, max_bytes=limits.most_bytes)
    fetcher = Fetcher(client=bot.client, inbox=inbox, limits=limits, draw=random.random)
    return Fetching(db=around.engine.db, clock=around.clock, feed=around.feed, bring=fetcher.bring)
