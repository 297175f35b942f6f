"""Gives work to the bot that it is for: updates by their lane, runs by theirs.

What is of no chat, such as the work of the board, is the affair of the settings' bot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Generic, TypeVar

from wireroom.app.bot import Bot
from wireroom.app.fleet import Fleet
from wireroom.clock import Clock
from wireroom.delivery.progress import NoProgress, ProgressLine
from wireroom.errors import FileRefused, StoreUnavailable
from wireroom.intake.bots import bot_of_lane
from wireroom.intake.topic_maker import TopicMaker
from wireroom.jobs.port import Done, Handler, Job, Outcome, RunAgainAt
from wireroom.runs.fetching import Hands, not_taken
from wireroom.runs.hearing import Hearing, unheard
from wireroom.runs.verdict import Verdict
from wireroom.speech.errors import SpeechRefused
from wireroom.speech.limits import Recording
from wireroom.store.database import Database
from wireroom.store.statement import Statement

T = TypeVar("T")
_LANE = Statement("SELECT lane FROM runs WHERE id = :run_id")
"""Where a run was asked for."""
_LOOK = timedelta(seconds=5)
"""Until a bot that is not served is looked for again."""
_NOT_SERVED = "The bot of this chat is not at work."


class PerBot(Generic[T]):
    """One value for each bot that is served, made when it is first wanted."""

    def __init__(self, fleet: Fleet, make: Callable[[Bot], T]) -> None:
        """Make values with `make`, anew for a bot that has come back."""
        self._fleet = fleet
        self._make = make
        self._kept: dict[int, tuple[Bot, T]] = {}

    def of(self, bot_id: int) -> T | None:
        """Return the bot's value, None for one that is not served here."""
        bot = self._fleet.bot(bot_id)
        if bot is None:
            self._kept.pop(bot_id, None)
            return None
        kept = self._kept.get(bot_id)
        if kept is None or kept[0] is not bot:
            kept = self._kept[bot_id] = bot, self._make(bot)
        return kept[1]

    @property
    def made(self) -> Collection[T]:
        """What has been made."""
        return [value for _, value in self._kept.values()]


class RunsByBot:
    """Finds the bot of a run."""

    def __init__(self, fleet: Fleet, db: Database) -> None:
        """Look runs up in the database."""
        self.fleet = fleet
        self._db = db

    async def bot_id(self, run_id: str) -> int:
        """Return the bot of the run's chat, else the settings' one."""
        lane = await self._db.read(lambda conn: _LANE.value(conn, run_id=run_id))
        bot_id = bot_of_lane(lane or "") or self.fleet.first_id
        if self.fleet.bot(bot_id) is None:
            await self.fleet.look()  # Another process may have added it a moment ago.
        return bot_id


class SignsByBot:
    """The port `delivery.progress.Progress` for all bots."""

    def __init__(self, runs: RunsByBot) -> None:
        """Give the signs of each run's own bot."""
        self._runs = runs

    def open(self, run_id: str) -> ProgressLine:
        """Begin to show progress of the run; see `Progress.open`."""
        fleet = self._runs.fleet
        if fleet.is_single:
            return NoProgress().open(run_id) if fleet.first is None else fleet.first.signs.open(run_id)
        return _FoundLine(self._runs, run_id)

    async def show(self, run_id: str, text: str) -> None:
        """Show the text in the placeholder of a run that waits, soon or never."""
        bot = self._runs.fleet.bot(await self._runs.bot_id(run_id))
        if bot is not None:
            await bot.signs.show(run_id, text)

    async def reword(self, run_id: str, text: str) -> bool:
        """Show the text in the placeholder of a run that waits, now or not; True when it is done with."""
        bot = self._runs.fleet.bot(await self._runs.bot_id(run_id))
        return bot is None or await bot.signs.reword(run_id, text)


class _FoundLine:
    """A line of progress whose bot is being looked up."""

    def __init__(self, runs: RunsByBot, run_id: str) -> None:
        self._runs = runs
        self._run_id = run_id
        self._text: str | None = None
        self._line: ProgressLine | None = None
        self._finding = asyncio.create_task(self._find(), name=f"bot of {run_id}")

    def show(self, text: str) -> None:
        """Show it once the bot is known."""
        self._text = text
        if self._line is not None:
            self._line.show(text)

    async def close(self) -> None:
        """Stop; see `ProgressLine.close`."""
        self._finding.cancel()
        await asyncio.gather(self._finding, return_exceptions=True)
        if self._line is not None:
            await self._line.close()

    async def _find(self) -> None:
        try:
            bot = self._runs.fleet.bot(await self._runs.bot_id(self._run_id))
        except StoreUnavailable:
            return  # a sign is not worth more
        if bot is not None:
            self._line = bot.signs.open(self._run_id)
            if self._text is not None:
                self._line.show(self._text)


class HandsByBot:
    """The port `runs.fetching.Hands` for all bots: a file can be had by the bot that was given it alone."""

    def __init__(self, runs: RunsByBot, hands: PerBot[Hands]) -> None:
        """Fetch with each run's own bot."""
        self._runs = runs
        self._hands = hands

    async def fetch(self, run_id: str) -> Verdict | None:
        """Have the run's files here; see `Hands.fetch`."""
        hands = self._hands.of(await self._runs.bot_id(run_id))
        return not_taken(FileRefused(_NOT_SERVED)) if hands is None else await hands.fetch(run_id)


class EarsByBot:
    """The port `runs.hearing.Ears`, and the handler of jobs of kind `hear`, for all bots."""

    def __init__(self, runs: RunsByBot, hearing: PerBot[Hearing]) -> None:
        """Hear with each run's own bot."""
        self._runs = runs
        self._hearing = hearing

    async def hear(self, run_id: str, recording: Recording) -> Verdict | None:
        """Make the run's prompt what was said; see `Ears.hear`."""
        hearing = self._hearing.of(await self._runs.bot_id(run_id))
        return (
            unheard(SpeechRefused(_NOT_SERVED)) if hearing is None else await hearing.hear(run_id, recording)
        )

    async def handle(self, job: Job) -> Outcome:
        """Hear what the run that the job points at waits for; else its own turn tells why nobody does."""
        hearing = self._hearing.of(await self._runs.bot_id(job.ref))
        return Done() if hearing is None else await hearing.handle(job)


class HandlersByBot:
    """Handles jobs whose key ends in the lane of a chat, each as its bot."""

    def __init__(self, fleet: Fleet, make: Callable[[int], Handler]) -> None:
        """Make a bot's handler, by its id, when a job of it first comes; it must do for a paused bot, too."""
        self._fleet = fleet
        self._make = make
        self._made: dict[int, Handler] = {}

    async def handle(self, job: Job) -> Outcome:
        """Handle the job as the bot of its lane; see `jobs.port.Handler`."""
        bot_id = bot_of_lane((job.key or "").partition(":")[2]) or self._fleet.first_id
        if bot_id not in self._made:
            self._made[bot_id] = self._make(bot_id)
        return await self._made[bot_id](job)


class TopicsByBot:
    """The handler of jobs of kind `topic` for all bots."""

    def __init__(self, makers: PerBot[TopicMaker], clock: Clock) -> None:
        """Make and change topics as each lane's own bot."""
        self._makers = makers
        self._clock = clock

    async def handle(self, job: Job) -> Outcome:
        """Do it as the bot of the job's lane; for one that is not served just now, later."""
        maker = self._makers.of(bot_of_lane((job.key or "").partition(":")[2]) or 0)
        if maker is None:
            return RunAgainAt(self._clock.now() + _LOOK)
        return await maker.handle(job)


class HintsOf:
    """The port `intake.hints.Hints` of one bot, for as long as it is served here."""

    def __init__(self, fleet: Fleet, bot_id: int) -> None:
        """Give the signs of whatever stands for the bot just then."""
        self._fleet = fleet
        self._bot_id = bot_id

    def typing(self, chat_id: int, thread_id: int | None) -> None:
        """Show "typing …" in the chat."""
        if (bot := self._fleet.bot(self._bot_id)) is not None:
            bot.signs.typing(chat_id, thread_id)

    def answer_press(self, callback_id: str, text: str) -> None:
        """Acknowledge a pressed button."""
        if (bot := self._fleet.bot(self._bot_id)) is not None:
            bot.signs.answer_press(callback_id, text)
