"""The runner of this installation: agents, their places and loops, and the callbacks that tell of the end."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import aiohttp

from wireroom.app.backends import Backends
from wireroom.app.engine import Engine
from wireroom.app.loops import git_evidence
from wireroom.app.permissions import make_permissions
from wireroom.callbacks.client import CallbackClient
from wireroom.callbacks.guard import Guard, read_rules
from wireroom.callbacks.lookups import Lookups
from wireroom.callbacks.sender import CallbackSender
from wireroom.clock import Clock
from wireroom.delivery.progress import Progress
from wireroom.outbound.hosts import Hosts
from wireroom.runs.agent_call import AgentCalls, RunPolicy
from wireroom.runs.agent_host import Outside
from wireroom.runs.budget import read_prices
from wireroom.runs.driver import AgentDriver
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.runs.fetching import Hands
from wireroom.runs.hearing import Ears
from wireroom.runs.limits import Limits
from wireroom.runs.loop_driver import LoopDriver
from wireroom.runs.loop_policy import loop_policy
from wireroom.runs.places import PlacedDriver
from wireroom.settings import Settings
from wireroom.workspaces.mcp import McpServers, OwnServer
from wireroom.workspaces.scripts import instructions
from wireroom.workspaces.workspace import Workspaces


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the runner is put into."""

    settings: Settings
    environment: Mapping[str, str]
    engine: Engine
    clock: Clock
    feed: Feed
    backends: Backends
    workspaces: Workspaces
    lookups: Lookups
    """Looks names up for everything that goes out."""
    hosts: Hosts
    """Which hosts are not called for a while."""
    own_tools: OwnServer | None = None
    """Our own server of tools, where one is served."""


def make_executor(
    around: Surroundings,
    progress: Progress,
    outside: Outside,
    ears: Ears | None = None,
    hands: Hands | None = None,
) -> Executor:
    """Return the handler of run jobs.

    Raises:
        SettingsError: a price or a permission rule cannot be read.
    """
    settings, engine, clock = around.settings, around.engine, around.clock
    policy = run_policy(settings)
    calls = AgentCalls(
        db=engine.db,
        clock=clock,
        feed=around.feed,
        policy=policy,
        spill_dir=settings.data_dir / "spill",
        permissions=make_permissions(settings, engine, clock, around.feed),
        outside=outside,
        jobs=engine.jobs,
    )
    agents = AgentDriver(db=engine.db, clock=clock, backend=around.backends.get, policy=policy, calls=calls)
    loops = LoopDriver(
        agents,
        db=engine.db,
        clock=clock,
        feed=around.feed,
        policy=loop_policy(settings),
        look=git_evidence(around.workspaces),
    )
    tools = McpServers(settings, around.environment, clock, around.own_tools)
    return Executor(
        db=engine.db,
        jobs=engine.jobs,
        clock=clock,
        feed=around.feed,
        progress=progress,
        policy=policy,
        driver=PlacedDriver(loops, workspaces=around.workspaces, tools=tools, data_dir=settings.data_dir),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        ears=ears,
        hands=hands,
    )


def run_policy(settings: Settings) -> RunPolicy:
    """Return what the settings say of limits and interruptions."""
    return RunPolicy(
        limits=Limits(hard=settings.run_limit, idle=settings.idle_limit, spill_bytes=settings.output_bytes),
        resume_interrupted=settings.interrupted_policy == "resume",
        max_interruptions=settings.max_interruptions,
        context_chars=settings.context_chars,
        log_bytes=settings.output_bytes,
        model=settings.model or None,
        prices=read_prices(settings.prices),
        queue_wait=timedelta(seconds=settings.queue_wait_seconds),
        instructions=instructions(settings),
    )


def make_callback_sender(
    around: Surroundings, session: aiohttp.ClientSession, own_secret: str
) -> CallbackSender:
    """Return the handler of callback jobs.

    Raises:
        SettingsError: WIREROOM_CALLBACK_HOSTS cannot be read.
    """
    return CallbackSender(
        client=CallbackClient(
            session, make_guard(around), around.clock, around.lookups.addresses, hosts=around.hosts
        ),
        db=around.engine.db,
        jobs=around.engine.jobs,
        clock=around.clock,
        own_secret=own_secret,
        max_attempts=around.settings.callback_attempts,
        draw=random.random,
    )


def make_guard(around: Surroundings) -> Guard:
    """Return which hosts callbacks and agents may call; this machine only for an embedded installation.

    Raises:
        SettingsError: WIREROOM_CALLBACK_HOSTS cannot be read.
    """
    embedded = around.engine.db.dialect == "sqlite"
    return Guard(read_rules(around.settings.callback_hosts), allow_loopback=embedded)
