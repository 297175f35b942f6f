"""What handles the updates of Telegram in this installation."""

from __future__ import annotations

from collections.abc import Callable

from wireroom.app.bot import Bot
from wireroom.app.runner import Surroundings
from wireroom.backends.registry import installed_names
from wireroom.intake.ask import Asker
from wireroom.intake.chat_commands import ChatCommands
from wireroom.intake.choices import Choices
from wireroom.intake.handle import NoHints, UpdateHandler
from wireroom.speech.limits import Recording
from wireroom.tasks.chat import TaskChat


def make_update_handler(
    around: Surroundings, asker: Asker, bot: Bot | None, deafness: Callable[[Recording], str | None]
) -> UpdateHandler:
    """Return the handler of update jobs; `deafness` tells why nobody listens to a recording."""
    settings, engine, clock = around.settings, around.engine, around.clock
    choices = _choices(around)
    return UpdateHandler(
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        hints=NoHints() if bot is None else bot.signs,
        asker=asker,
        commands=ChatCommands(engine.jobs, clock, asker, choices, tasks=TaskChat(engine.jobs)),
        bot_id=settings.bot_id,
        bot_username=lambda: "" if bot is None else bot.setup.username,
        allowed=frozenset(settings.allowed_users),
        max_attempts=settings.update_attempts,
        publish=around.feed.publish,
        deafness=deafness,
    )


def _choices(around: Surroundings) -> Choices:
    """Return what people may choose from: the repositories, and the coding agents that are installed."""
    installed = installed_names(around.settings, around.environment)
    names = dict.fromkeys((around.backends.default, *installed))
    return Choices(around.settings.repositories_root, names)
