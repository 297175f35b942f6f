"""The task operator of this installation."""

from __future__ import annotations

from datetime import timedelta

from wireroom.app.engine import Engine
from wireroom.clock import Clock
from wireroom.delivery.hours import read_quiet_hours
from wireroom.intake.ask import Asker
from wireroom.jobs.port import RetryPolicy
from wireroom.runs.feed import Feed
from wireroom.settings import Settings
from wireroom.tasks.claims import Hiring
from wireroom.tasks.notices import Notices, read_chat
from wireroom.tasks.operator import Operator, OperatorPolicy

_LONGEST_BACKOFF = timedelta(minutes=30)


def make_operator(settings: Settings, engine: Engine, clock: Clock, feed: Feed, asker: Asker) -> Operator:
    """Return the handler of the board's turns.

    Raises:
        SettingsError: WIREROOM_OPERATOR_CHAT, WIREROOM_QUIET_HOURS or WIREROOM_TIME_ZONE cannot be read.
    """
    hiring = Hiring(
        jobs=engine.jobs,
        feed=feed,
        backend=settings.task_backend or asker.backend,
        repositories=settings.repositories_root,
        workdir=asker.workdir,
        new_id=asker.new_id,
    )
    notices = Notices(
        to=read_chat(settings.operator_chat, settings.bot_id),
        quiet=read_quiet_hours(settings.quiet_hours, settings.time_zone),
        zone=settings.time_zone,
    )
    return Operator(
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        policy=operator_policy(settings),
        hiring=hiring,
        notices=notices,
    )


def operator_policy(settings: Settings) -> OperatorPolicy:
    """Return what the settings say of how the board is worked through."""
    first = timedelta(seconds=settings.task_backoff_seconds)
    retry = RetryPolicy(max_attempts=settings.task_attempts, base=first, cap=max(first, _LONGEST_BACKOFF))
    return OperatorPolicy(
        at_once=settings.tasks_at_once,
        retry=retry,
        stuck_after=timedelta(minutes=settings.task_stuck_minutes),
    )
