"""What handles the updates of Telegram in this installation."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from wireroom.app.by_bot import HintsOf
from wireroom.app.files import file_limits
from wireroom.app.fleet import Fleet
from wireroom.app.runner import Surroundings
from wireroom.backends.protocol import InteractiveBackend
from wireroom.backends.registry import NAMES, installed_names
from wireroom.delivery.hours import usual_zone
from wireroom.errors import AgentUnavailable
from wireroom.intake.ask import Asker
from wireroom.intake.busy_asking import BusyAsker
from wireroom.intake.chat_commands import ChatCommands
from wireroom.intake.choices import Choices
from wireroom.intake.git_chat import GitChat
from wireroom.intake.handle import UpdateHandler
from wireroom.intake.preferences import Preferences
from wireroom.intake.side_questions import SideQuestions
from wireroom.intake.spending import Spending
from wireroom.intake.timetable import Timetable
from wireroom.runs.budget import read_prices
from wireroom.runs.busy import BusyMode
from wireroom.speech.limits import Recording
from wireroom.tasks.chat import TaskChat
from wireroom.workspaces.git import token_of
from wireroom.workspaces.git_steps import GitSteps
from wireroom.workspaces.pull_requests import GitHub


def make_update_handler(
    around: Surroundings,
    asker: Asker,
    fleet: Fleet,
    bot_id: int,
    deafness: Callable[[Recording], str | None],
) -> UpdateHandler:
    """Return the handler of one bot's update jobs; `deafness` tells why nobody listens to a recording.

    The list of the settings lets people talk to the bot of the settings alone: each other has its own.
    """
    is_first = bot_id == fleet.first_id
    settings, engine, clock = around.settings, around.engine, around.clock
    choices, busy = _choices(around), make_busy_asker(around, asker)
    return UpdateHandler(
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        hints=HintsOf(fleet, bot_id),
        asker=asker,
        busy=busy,
        commands=ChatCommands(
            engine.jobs,
            clock,
            asker,
            choices,
            tasks=TaskChat(engine.jobs),
            busy=busy,
            sides=SideQuestions(asker, minutes=settings.side_minutes),
            preferences=make_preferences(around, asker),
            times=Timetable(settings.time_zone),
        ),
        bot_id=bot_id,
        bot_username=lambda: "" if (bot := fleet.bot(bot_id)) is None else bot.setup.username,
        allowed=frozenset(settings.allowed_users if is_first else ()),
        max_attempts=settings.update_attempts,
        publish=around.feed.publish,
        deafness=deafness,
        files=file_limits(settings),
    )


def make_busy_asker(around: Surroundings, asker: Asker) -> BusyAsker:
    """Return what asks people's messages in the way that their chat wants while it is busy."""

    def takes_words(name: str) -> bool:
        try:
            backend = around.backends.get(name)
        except AgentUnavailable:
            return False
        return isinstance(backend, InteractiveBackend) and backend.takes_words

    usual = BusyMode(around.settings.busy_mode)
    return BusyAsker(asker, around.engine.jobs, around.feed, usual=usual, takes_words=takes_words)


def make_preferences(around: Surroundings, asker: Asker) -> Preferences:
    """Return the choices of chats.

    Raises:
        SettingsError: a price or the time zone cannot be read.
    """
    settings, prices = around.settings, read_prices(around.settings.prices)
    model, zone = settings.model or None, usual_zone(settings.time_zone).key
    spending = Spending(around.engine.jobs, zone, prices, asker.backend, model)
    named = (*filter(None, (model,)), *(name for name in prices if name not in NAMES))
    return Preferences(spending, named_models=named)


def make_git_chat(around: Surroundings, session: aiohttp.ClientSession, bot_id: int) -> GitChat:
    """Return the handler of git steps that people ask one bot for."""
    settings, engine = around.settings, around.engine
    github = GitHub(session, api_url=settings.github_api_url, token=token_of(around.environment))
    steps = GitSteps(around.workspaces.git, github)
    return GitChat(db=engine.db, jobs=engine.jobs, clock=around.clock, steps=steps, bot_id=bot_id)


def _choices(around: Surroundings) -> Choices:
    """Return what people may choose from: the repositories, and the coding agents that are installed."""
    installed = installed_names(around.settings, around.environment)
    names = dict.fromkeys((around.backends.default, *installed))
    return Choices(around.settings.repositories_root, names)
