"""A whole Wireroom: settings in, a running service out.

Everything that differs between installations is decided here and beside; the rooms are given what they need
and know nothing of settings. What is opened is put on one stack and closed in reverse order.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import structlog

from wireroom.api.auth import new_login_link
from wireroom.api.callback_inbox import CallbackInbox
from wireroom.api.health import metrics_route, ready_route
from wireroom.api.services import Services
from wireroom.api.telegram_admin import WebhookAdmin
from wireroom.app.agents import AgentWork, make_agents
from wireroom.app.backends import Backends
from wireroom.app.bot import make_bot
from wireroom.app.cache import cache_chores, make_cache
from wireroom.app.chores import chores
from wireroom.app.desk import make_desk
from wireroom.app.engine import Engine, OpenEngine, open_engine, queue_names
from wireroom.app.http import Doors, build_http, documented
from wireroom.app.ids import new_id, workdir_of
from wireroom.app.mcp import InnerRoutes, McpGate
from wireroom.app.outgoing import http_session, known_hosts
from wireroom.app.pairing import new_pairing_code
from wireroom.app.probes import make_probes
from wireroom.app.redis import make_redis_work
from wireroom.app.roles import Role, check_role
from wireroom.app.runner import Surroundings, make_callback_sender, make_executor
from wireroom.app.tasks import make_operator
from wireroom.app.traces import begin_traces, traced
from wireroom.app.updates import make_update_handler
from wireroom.app.watched_database import WatchedDatabase
from wireroom.app.web_server import WebServer, bind
from wireroom.app.worker_http import build_worker_http
from wireroom.backends.protocol import AnyBackend
from wireroom.callbacks import outbox
from wireroom.callbacks.lookups import Lookups
from wireroom.clock import Clock, SystemClock
from wireroom.delivery.progress import NoProgress
from wireroom.intake import accept
from wireroom.intake.ask import Asker
from wireroom.intake.receipts import Receipts
from wireroom.intake.webhook import Webhook
from wireroom.jobs.port import Handler, Worker
from wireroom.mcp.door import PATH as TOOLS_PATH
from wireroom.mcp.door import McpDoor, token_for_agents
from wireroom.runs import records
from wireroom.runs.agent_host import Outside
from wireroom.runs.executor import Executor
from wireroom.runs.feed import Feed
from wireroom.secret_files import ADDRESS_FILE, make_data_dir, secret_of
from wireroom.settings import Settings
from wireroom.system_settings import SystemSettings
from wireroom.tasks import wake
from wireroom.tasks.watch import BoardWatch
from wireroom.workspaces.mcp import OwnServer
from wireroom.workspaces.private_dir import remove_leftovers
from wireroom.workspaces.scripts import make_scripts_folder, scripts_folder
from wireroom.workspaces.workspace import Workspaces

_log = structlog.get_logger(__name__)


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
        self.stopped = asyncio.Event()
        """Set when a part of the service has ended that must not."""
        self._hurry = asyncio.Event()
        self._stack = AsyncExitStack()

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

    async def _drain(self, worker: Worker) -> None:
        """Let agents end for as long as is set, or until somebody is in a hurry."""
        drain = asyncio.create_task(worker.drain(timedelta(seconds=self.settings.drain_seconds)))
        hurry = asyncio.create_task(self._hurry.wait())
        await asyncio.wait((drain, hurry), return_when=asyncio.FIRST_COMPLETED)
        await _cancel_all([hurry])
        if drain.done():
            await drain
            return
        await _cancel_all([drain])
        await worker.drain(timedelta())

    @property
    def address(self) -> str:
        """The address people open."""
        host, port = self._listener.getsockname()[:2]
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound
        return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"

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
        engine = await self._open_stores()
        lookups = Lookups()
        stack.push_async_callback(lookups.close)
        session = await stack.enter_async_context(http_session(lookups, settings))
        secret = settings.telegram_webhook_secret.get_secret_value()
        webhook_secret = secret_of(settings.data_dir, "webhook-secret", secret)
        api_secret = secret_of(settings.data_dir, "api-secret", settings.webhook_secret.get_secret_value())
        self._listener = stack.enter_context(bind(settings.host, settings.port))
        feed = Feed()
        asker = Asker(
            engine.jobs, feed, backend=self._backends.default, workdir=workdir_of(settings), new_id=new_id
        )
        self.bot = make_bot(settings, engine, self.clock, session, webhook_secret)
        self._probes = make_probes(settings, engine, self.clock)
        self.services = Services(
            settings=settings,
            db=engine.db,
            jobs=engine.jobs,
            clock=self.clock,
            feed=feed,
            asker=asker,
            system_settings=SystemSettings(engine.db, self._cache),
            desk=make_desk(settings, engine.jobs),
            api_secret=api_secret,
            base_url=lambda: self.address,
            fresh_pairing_code=None if self.bot is None else self.pairing_code,
            problems=self._problems,
            profiler=self._probes.profiler,
            history=self._probes.history,
            shelf=self._probes.shelf,
            cache=self._cache,
            changes=lambda: self._watched.sure_state,
        )
        outside = Outside(session, self._callback_url, api_secret)
        around = Surroundings(
            settings=settings,
            environment=os.environ,
            engine=engine,
            clock=self.clock,
            feed=feed,
            backends=self._backends,
            workspaces=Workspaces(settings, os.environ, self.clock, self._cache),
            lookups=lookups,
            hosts=known_hosts(settings),
            own_tools=OwnServer(lambda: self.address + TOOLS_PATH, token_for_agents(api_secret)),
        )
        executor = self._executor(around, outside)
        agents = make_agents(around, session, asker, self.services.desk)
        handlers = self._handlers(around, asker, executor)
        handlers[outbox.KIND] = make_callback_sender(around, session, api_secret).handle
        handlers |= agents.handlers
        engine.db.on_outside_change(feed.publish_all)
        if self.role.works:
            await executor.adopt_orphans()
        if engine.db.dialect == "sqlite":  # one owner; else the chore looks at whose attempts are alive
            await asyncio.to_thread(remove_leftovers, settings.data_dir)
        make_scripts_folder(scripts_folder(settings), around.workspaces.root)
        self._work(engine, traced(handlers, engine.db), around.workspaces, agents)
        self._listen(engine, webhook_secret, api_secret, around.workspaces)

    async def _open_stores(self) -> Engine:
        """Open the database with its job engine, Redis where it is set, and what is kept over both."""
        opened = await self._stack.enter_async_context(self._open_engine(self.settings, self.clock))
        self._watched = WatchedDatabase(opened.db)
        self.redis = make_redis_work(self.settings, self._watched, self.clock)
        self._stack.push_async_callback(self.redis.close)
        self._cache = make_cache(self.settings, self._watched, self.redis.redis)
        self._stack.push_async_callback(self._cache.close)
        return replace(opened, db=self._watched)

    def _handlers(self, around: Surroundings, asker: Asker, executor: Executor) -> dict[str, Handler]:
        """Return what does the jobs of chats, of runs and of the board, by kind."""
        engine = around.engine
        operator = make_operator(self.settings, engine, self.clock, around.feed, asker)
        self._board = BoardWatch(engine.db, engine.jobs, operator)
        self.services.system_settings.watch(self._board.look)
        handlers: dict[str, Handler] = {
            accept.KIND: make_update_handler(around, asker, self.bot).handle,
            records.KIND: executor.handle,
            wake.KIND: operator.handle,
        }
        if self.bot is not None:
            handlers |= self.bot.handlers
        return handlers

    def _callback_url(self) -> str:
        """Return where a remote runner reports: our public address, or the one we listen on."""
        base = self.settings.telegram_webhook_base_url.rstrip("/") or self.address
        return f"{base}/cursor-runner/callback"

    def _executor(self, around: Surroundings, outside: Outside) -> Executor:
        return make_executor(around, NoProgress() if self.bot is None else self.bot.signs, outside)

    def _work(
        self, engine: Engine, handlers: dict[str, Handler], workspaces: Workspaces, agents: AgentWork
    ) -> None:
        """Begin to run jobs and what goes with them; on the way out agents get time to end."""
        parts = self._probes.tasks() | self.redis.chores() | cache_chores(self._cache, self.services)
        if self.role.works:
            parts |= {"jobs": engine.worker.run(handlers), "task board": self._board.run()}
            parts |= chores(self.settings, engine, self.clock, self.services.feed, workspaces)
            parts |= {name: begin() for name, begin in agents.chores.items()}
        tasks = [self._task(part, name) for name, part in parts.items()]
        self._worker_task = next((task for task in tasks if task.get_name() == "jobs"), None)
        self._probes.pauses.start()
        self._stack.callback(self._probes.pauses.stop)
        self._stack.push_async_callback(self._probes.shelf.close)
        self._stack.push_async_callback(_cancel_all, tasks)
        if self.role.works:
            self._stack.push_async_callback(self._drain, engine.worker)
        if self.bot is not None and self.role.works:
            self._stack.push_async_callback(self.bot.signs.close)
            intake = [self._task(self.bot.setup.run(), "bot setup", may_end=True)]
            if self.bot.poller is not None:
                intake.append(self._task(self.bot.poller.run(), "polling"))
            self._stack.push_async_callback(_cancel_all, intake)

    def _listen(self, engine: Engine, webhook_secret: str, api_secret: str, workspaces: Workspaces) -> None:
        settings = self.settings
        receipts = Receipts(
            engine.db, engine.jobs, self.clock, bot_id=settings.bot_id, gives_way=engine.gives_way
        )
        webhook = Webhook(receipts, bot_id=settings.bot_id, secret=webhook_secret)
        admin = WebhookAdmin(
            None if self.bot is None else self.bot.client,
            api_secret=api_secret,
            webhook_secret=webhook_secret,
            base_url=settings.telegram_webhook_base_url,
        )
        inbox = CallbackInbox(
            engine.db,
            self.clock,
            self.services.feed,
            secrets=[api_secret, settings.cursor_runner_secret.get_secret_value()],
            older=self.redis.older_requests(engine.jobs, settings.bot_id),
        )
        rest = documented(self.services, workspaces)
        tools = McpDoor(InnerRoutes(rest, api_secret))
        self._stack.push_async_callback(_cancel_all, [self._task(tools.run(), "tools")])
        gate = McpGate(self.services, tools)
        ready = ready_route(engine.db, self._worker_runs(), self._problems, self.redis.health)
        metrics = metrics_route(engine.db, engine.jobs, self._cache, queue_names(settings))
        if self.role.serves_people:
            http = build_http(
                self.services,
                Doors(webhook, admin, inbox, gate),
                rest,
                ready=ready,
                metrics=metrics,
                state=lambda: self._watched.state,
            )
        else:
            http = build_worker_http(inbox, gate, ready=ready, metrics=metrics)
        server = WebServer(self.redis.counted(http), self._listener)
        serving = self._task(server.run(), "http")
        self._stack.push_async_callback(_stop_server, server, serving)
        self._stack.callback(self.services.feed.close)
        if self.role.serves_people:
            self._note_address()

    def _worker_runs(self) -> Callable[[], bool] | None:
        """Return what tells whether jobs are worked; None where none are."""
        task = self._worker_task
        return None if task is None else lambda: not task.done()

    def _note_address(self) -> None:
        """Tell the command line where we listen; without it only `login` shows a wrong address."""
        try:
            (self.settings.data_dir / ADDRESS_FILE).write_text(self.address + "\n")
        except OSError as error:
            _log.warning("address_not_noted", reason=error.strerror)

    def _problems(self) -> list[str]:
        return [] if self.bot is None else self.bot.problems

    def _task(
        self, work: Coroutine[Any, Any, None], name: str, *, may_end: bool = False
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        if not may_end:
            task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that runs for ever has ended: say why, and let the service be stopped as a whole."""
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("part_failed", part=task.get_name(), exc_info=error)
        self.stopped.set()


async def _cancel_all(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel("the service stops")
    await asyncio.gather(*tasks, return_exceptions=True)


async def _stop_server(server: WebServer, serving: asyncio.Task[None]) -> None:
    server.stop()
    await asyncio.gather(serving, return_exceptions=True)
