"""A whole Wireroom: settings in, a running service out.

Everything that differs between installations is decided here and beside; the rooms are given what they need
and know nothing of settings. What is opened is put on one stack and closed in reverse order.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Self

from wireroom.api.auth import new_login_link
from wireroom.api.services import Services
from wireroom.app.agents import AgentWork, make_agents
from wireroom.app.backends import Backends
from wireroom.app.bot_work import make_bot_work
from wireroom.app.cache import cache_chores
from wireroom.app.chores import folder_chores, row_chores
from wireroom.app.desk import make_desk
from wireroom.app.engine import Engine, OpenEngine, open_engine
from wireroom.app.http import documented
from wireroom.app.ids import new_id, workdir_of
from wireroom.app.led import led_parts, term_of
from wireroom.app.mcp import InnerRoutes, McpGate
from wireroom.app.outgoing import http_session, known_hosts
from wireroom.app.parts import Parts, drain
from wireroom.app.probes import make_probes
from wireroom.app.roles import Role, check_role
from wireroom.app.runner import Surroundings, make_callback_sender, make_executor
from wireroom.app.speech import make_speech, sign_talk
from wireroom.app.stores import open_stores
from wireroom.app.surface import Secrets, Surface
from wireroom.app.tasks import make_operator
from wireroom.app.traces import begin_traces, traced
from wireroom.app.web_server import WebServer, address_of, bind
from wireroom.backends.protocol import AnyBackend
from wireroom.callbacks import outbox
from wireroom.callbacks.lookups import Lookups
from wireroom.clock import Clock, SystemClock
from wireroom.intake.ask import Asker
from wireroom.intake.pairing import new_pairing_code
from wireroom.jobs.port import Handler
from wireroom.mcp.door import PATH as TOOLS_PATH
from wireroom.mcp.door import McpDoor, token_for_agents
from wireroom.perf.pools import watch_pools
from wireroom.runs import records
from wireroom.runs.agent_host import Outside
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.runs.line_up import LineUp
from wireroom.secret_files import make_data_dir, note_address
from wireroom.settings import Settings
from wireroom.system_settings import SystemSettings
from wireroom.tasks import wake
from wireroom.tasks.watch import BoardWatch
from wireroom.workspaces.mcp import OwnServer
from wireroom.workspaces.private_dir import remove_leftovers
from wireroom.workspaces.scripts import make_scripts_folder, scripts_folder
from wireroom.workspaces.workspace import Workspaces


class Service:
    """A whole Wireroom in one process, or one process's share of it.

    async with Service(settings) as service:
        print(service.address)
        await service.stopped.wait()
    """

    def __init__(
        self,
        settings: Settings,
        *,
        role: Role = Role.ALL,
        clock: Clock | None = None,
        backend: AnyBackend | None = None,
        engine: OpenEngine = open_engine,
    ) -> None:
        """Prepare; nothing is opened until the service is entered.

        Args:
            settings: See `settings`.
            role: What of the installation this process is to do.
            clock: Where the time comes from; the machine's own by default.
            backend: The coding agent for new runs instead of the one that settings name.
            engine: Opens the database and the job engine; a test may put a fault in between.
        """
        self.settings = settings
        self.role = role
        self.clock: Clock = clock or SystemClock()
        self._open_engine = engine
        self._backends = Backends(settings, os.environ, backend)
        self._hurry = asyncio.Event()
        self._worker_task: asyncio.Task[None] | None = None
        self._stack = AsyncExitStack()
        self._parts = Parts(self._stack)
        self.stopped = self._parts.stopped
        """Set when a part of the service has ended that must not."""

    async def __aenter__(self) -> Self:
        """Open the database, recover, begin to work and to listen.

        Raises:
            SettingsError: a setting cannot be used.
            StoreUnavailable: the database cannot be used, or another process works on it.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Take nothing more in, let agents end, close everything in reverse order."""
        await self._stack.aclose()

    def hurry(self) -> None:
        """Have a stop that is under way, or comes, not wait for agents."""
        self._hurry.set()

    @property
    def address(self) -> str:
        """The address people open."""
        return address_of(self._listener)

    async def login_link(self) -> str:
        """Return an address that logs a browser in, once."""
        return await new_login_link(self.services)

    async def pairing_code(self) -> str:
        """Return a code that lets one person talk to the bot; valid for an hour."""
        return await new_pairing_code(self.services.db, self.clock, secrets.token_bytes(16))

    async def _start(self) -> None:
        settings, stack = self.settings, self._stack
        check_role(self.role, settings)
        make_data_dir(settings.data_dir)
        stack.push_async_callback(begin_traces(settings))
        self._stores = await stack.enter_async_context(
            open_stores(settings, self.role, self.clock, self._open_engine)
        )
        engine = self._stores.engine
        lookups = Lookups()
        stack.push_async_callback(lookups.close)
        session = await stack.enter_async_context(http_session(lookups, settings))
        known = Secrets.of(settings)
        self._listener = stack.enter_context(bind(settings.host, settings.port))
        feed = Feed(None if engine.wake_ups is None else engine.wake_ups.tell)
        asker = Asker(
            engine.jobs, feed, backend=self._backends.default, workdir=workdir_of(settings), new_id=new_id
        )
        self._bots = make_bot_work(
            settings,
            engine,
            self.clock,
            feed,
            session=session,
            lookups=lookups,
            webhook_secret=known.webhook,
            works=self.role.works,
        )
        self.fleet = self._bots.fleet
        self.bot = self.fleet.first
        stack.push_async_callback(self.fleet.close)
        self._probes = make_probes(settings, engine, self.clock)
        self.services = Services(
            settings=settings,
            db=engine.db,
            jobs=engine.jobs,
            clock=self.clock,
            feed=feed,
            asker=asker,
            system_settings=SystemSettings(engine.db, self._stores.cache),
            desk=make_desk(settings, engine.jobs),
            api_secret=known.api,
            base_url=lambda: self.address,
            fresh_pairing_code=None if self.bot is None else self.pairing_code,
            problems=lambda: self.fleet.problems,
            profiler=self._probes.profiler,
            history=self._probes.history,
            shelf=self._probes.shelf,
            cache=self._stores.cache,
            sign_talk=sign_talk(settings, session),
            changes=lambda: self._stores.watched.sure_state,
            budgets=self._stores.redis.budgets(engine.db, self.clock, known.api),
        )
        outside = Outside(session, self._callback_url, known.api)
        around = Surroundings(
            settings=settings,
            environment=os.environ,
            engine=engine,
            clock=self.clock,
            feed=feed,
            backends=self._backends,
            workspaces=Workspaces(settings, os.environ, self.clock, self._stores.cache),
            lookups=lookups,
            hosts=known_hosts(settings),
            own_tools=OwnServer(lambda: self.address + TOOLS_PATH, token_for_agents(known.api)),
        )
        self._speech = make_speech(
            around, session, self._bots.runs, self._bots.signs, self.services.system_settings
        )
        stack.push_async_callback(self._speech.close)
        executor = self._executor(around, outside)
        agents = make_agents(around, session, asker, self.services.desk)
        handlers = self._handlers(around, asker, executor)
        handlers[outbox.KIND] = make_callback_sender(around, session, known.api).handle
        handlers |= self._bots.handlers(around, asker, session, self._speech.deafness)
        handlers |= agents.handlers
        handlers |= self._speech.handlers
        engine.db.on_outside_change(feed.wake_all)
        if self.role.works:
            await executor.adopt_orphans()
        if engine.db.dialect == "sqlite":  # one owner; else the chore looks at whose attempts are alive
            await asyncio.to_thread(remove_leftovers, settings.data_dir)
        make_scripts_folder(scripts_folder(settings), around.workspaces.root)
        await self.fleet.look()
        self._work(engine, traced(handlers, engine.db), around.workspaces, agents)
        self._listen(engine, known, around.workspaces)

    def _handlers(self, around: Surroundings, asker: Asker, executor: Executor) -> dict[str, Handler]:
        """Return what does the jobs of chats, of runs and of the board, by kind."""
        engine = around.engine
        operator = make_operator(self.settings, engine, self.clock, around.feed, asker)
        self._board = BoardWatch(engine.db, engine.jobs, operator)
        self.services.system_settings.watch(self._board.look)
        return {records.KIND: executor.handle, wake.KIND: operator.handle}

    def _executor(self, around: Surroundings, outside: Outside) -> Executor:
        hands = self._bots.hands(around)
        progress = LineUp(self._bots.signs, self.services.db, self._bots.signs.reword)
        return make_executor(around, progress, outside, self._speech.hearing, hands)

    def _callback_url(self) -> str:
        """Return where a remote runner reports: our public address, or the one we listen on."""
        base = self.settings.telegram_webhook_base_url.rstrip("/") or self.address
        return f"{base}/cursor-runner/callback"

    def _work(
        self, engine: Engine, handlers: dict[str, Handler], workspaces: Workspaces, agents: AgentWork
    ) -> None:
        """Begin what runs beside the routes: in a process that works, the jobs and what goes with them."""
        redis, cache = self._stores.redis, self._stores.cache
        parts = self._probes.tasks() | redis.chores() | cache_chores(cache, self.services)
        parts["bots"] = self.fleet.watch()
        parts["pools"] = watch_pools(self.settings.connection_held_seconds)
        if engine.wake_ups is not None:
            feed = self.services.feed
            parts["wake-ups"] = engine.wake_ups.run(feed.wake, feed.wake_all)
        if self.role.works:
            parts |= folder_chores(self.settings, engine.db, self.clock, workspaces)
            parts |= {"speech files": self._speech.sweep()}
        self._probes.pauses.start()
        self._stack.callback(self._probes.pauses.stop)
        self._stack.push_async_callback(self._probes.shelf.close)
        self._parts.begin(parts)
        if self.role.works:
            self._work_jobs(engine, handlers)
            self._lead(engine, agents)

    def _work_jobs(self, engine: Engine, handlers: dict[str, Handler]) -> None:
        """Begin to run jobs; on the way out agents get time to end."""
        (self._worker_task,) = self._parts.begin({"jobs": engine.worker.run(handlers)})
        grace = timedelta(seconds=self.settings.drain_seconds)
        self._stack.push_async_callback(drain, engine.worker, grace, self._hurry)
        if self.bot is not None:
            self._stack.push_async_callback(self.bot.signs.close)
            self._parts.begin_once(self.bot.setup.learn_name(), "bot name")

    def _lead(self, engine: Engine, agents: AgentWork) -> None:
        """Stand for what only one may do; on the way out that goes first, for another to take it up."""
        rows = row_chores(self.settings, engine, self.clock, self.services.feed)
        term = term_of(led_parts(self._board, agents, self.fleet, rows))
        self._parts.begin({"leadership": engine.leadership.run(term)})

    def _listen(self, engine: Engine, known: Secrets, workspaces: Workspaces) -> None:
        rest = documented(self.services, workspaces)
        tools = McpDoor(InnerRoutes(rest, self.services.api_secret))
        self._parts.begin({"tools": tools.run()})
        surface = Surface(self.role, self.services, engine, self._stores.redis, self.fleet)
        http = surface.build(
            known,
            rest,
            McpGate(self.services, tools),
            worker_runs=None if (jobs := self._worker_task) is None else lambda: not jobs.done(),
            state=lambda: self._stores.watched.state,
        )
        self._parts.serve(WebServer(self._stores.redis.counted(http), self._listener))
        self._stack.callback(self.services.feed.close)
        if self.role.serves_people:
            note_address(self.settings.data_dir, self.address)
