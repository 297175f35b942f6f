"""An update that kills the process each time that it is handled."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import text

from wireroom.clock import SystemClock
from wireroom.intake.ask import Asker
from wireroom.intake.busy_asking import BusyAsker
from wireroom.intake.chat_commands import ChatCommands
from wireroom.intake.choices import Choices
from wireroom.intake.handle import UpdateHandler
from wireroom.intake.hints import NoHints
from wireroom.intake.preferences import Preferences
from wireroom.intake.side_questions import SideQuestions
from wireroom.intake.spending import Spending
from wireroom.intake.timetable import Timetable
from wireroom.jobs.embedded import EmbeddedJobs
from wireroom.jobs.port import Dead, Job
from wireroom.runs.busy import BusyMode
from wireroom.runs.feed import Feed
from wireroom.store.sqlite import SqliteDatabase
from wireroom.tasks.chat import TaskChat

_UPDATE = """
    INSERT INTO updates (id, bot_id, update_id, kind, lane, payload, state, received_at)
    VALUES (1, 1, 1, 'message', 'lane', '{}', 'received', 1)
"""


async def test_update_that_kills_the_process_is_set_aside(database: SqliteDatabase) -> None:
    """After more starts than tries, an update that never ended is not handled once more."""
    clock = SystemClock()
    jobs = EmbeddedJobs(clock)
    feed = Feed()
    asker = Asker(jobs, feed, backend="demo", workdir=lambda _: "/", new_id=lambda kind: kind)
    busy = BusyAsker(asker, jobs, feed, usual=BusyMode.FOLLOWUP, takes_words=lambda _: False)
    handler = UpdateHandler(
        publish=lambda _: None,
        db=database,
        jobs=jobs,
        clock=clock,
        hints=NoHints(),
        asker=asker,
        busy=busy,
        commands=ChatCommands(
            jobs,
            clock,
            asker,
            Choices(Path("/nowhere"), ["demo"]),
            tasks=TaskChat(jobs),
            busy=busy,
            sides=SideQuestions(asker, minutes=1),
            preferences=Preferences(Spending(jobs, "UTC", {}, "demo"), named_models=()),
            times=Timetable("UTC"),
        ),
        bot_id=1,
        bot_username=lambda: "bot",
        allowed=(),
        max_attempts=3,
    )
    await database.write(lambda conn: conn.execute(text(_UPDATE)))
    job = Job(id=1, queue="intake", kind="update", ref="1", key=None, attempt=9, epoch=1)
    outcome = await handler.handle(job)
    assert isinstance(outcome, Dead)
    state = await database.read(lambda conn: conn.execute(text("SELECT state, reason FROM updates")).one())
    assert tuple(state) == ("dead", outcome.reason)
