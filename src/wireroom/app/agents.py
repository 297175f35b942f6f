"""Agents of this installation: their schedules, their calls, and what looks after both."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import aiohttp

from wireroom.agents.admission import CALL_KIND
from wireroom.agents.caller import Caller
from wireroom.agents.desk import AgentDesk
from wireroom.agents.exchange import AgentClient
from wireroom.agents.prompts import Place, Prompts
from wireroom.agents.retention import forget_old_calls
from wireroom.agents.scheduler import Scheduler
from wireroom.app.led import Part
from wireroom.app.runner import Surroundings, make_guard
from wireroom.backends.registry import NAMES
from wireroom.callbacks.exchange import GuardedClient
from wireroom.intake.ask import Asker
from wireroom.jobs.port import Handler


@dataclass(frozen=True, slots=True)
class AgentWork:
    """What runs for agents."""

    handlers: dict[str, Handler]
    chores: Mapping[str, Part]
    """Endless; one process does them for all."""


def make_agents(
    around: Surroundings, session: aiohttp.ClientSession, asker: Asker, desk: AgentDesk
) -> AgentWork:
    """Return the handlers of agents' jobs, and their chores.

    Raises:
        SettingsError: WIREROOM_CALLBACK_HOSTS cannot be read.
    """
    settings, db, jobs, clock = around.settings, around.engine.db, around.engine.jobs, around.clock
    client = GuardedClient(
        session, make_guard(around), around.lookups.addresses, purpose="agent", hosts=around.hosts
    )
    caller = Caller(
        client=AgentClient(client, clock),
        db=db,
        jobs=jobs,
        clock=clock,
        calls=desk.calls,
        draw=random.random,
    )
    place = Place(
        backend=asker.backend,
        known_backends=frozenset({*NAMES, asker.backend}),
        repositories=settings.repositories_path,
        workdir=asker.workdir,
        new_id=asker.new_id,
    )
    prompts = Prompts(db=db, jobs=jobs, clock=clock, calls=desk.calls, place=place)
    scheduler = Scheduler(
        db=db,
        jobs=jobs,
        clock=clock,
        agents=desk.agents,
        calls=desk.calls,
        admission=desk.admission,
        draw=random.random,
        looks=(prompts.look_for_ended,),
    )
    return AgentWork(
        handlers={CALL_KIND: caller.handle, **prompts.handlers, **scheduler.handlers},
        chores={
            "agents": scheduler.watch,
            "agent calls": partial(forget_old_calls, db, clock, timedelta(days=settings.call_days)),
        },
    )
