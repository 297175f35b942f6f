"""The HTTP surface in one place: hot routes by a look-up, the rest behind Starlette and FastAPI."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from wireroom import __version__
from wireroom.api import (
    access,
    access_account_routes,
    agent_conversations,
    agent_views,
    agents,
    backends,
    board,
    bots,
    bottlenecks,
    callbacks,
    chat,
    chat_files,
    conversations,
    dead_letters,
    deliveries,
    diffs,
    doctor,
    environment,
    errors,
    files,
    git,
    legacy,
    live,
    operator,
    performance,
    performance_profiles,
    permissions,
    profile,
    prompts,
    queue_views,
    queues,
    repositories,
    run_views,
    runner,
    runs,
    schedules,
    scripts,
    settings,
    tasks,
    voice_agent,
    websockets,
)
from wireroom.api.agent_tools import AgentTools
from wireroom.api.callback_inbox import CallbackInbox
from wireroom.api.cors import CrossOrigin
from wireroom.api.health import health
from wireroom.api.lazy_routes import describe, serve
from wireroom.api.plain_addresses import PlainAddresses
from wireroom.api.runner_calls import InnerCalls
from wireroom.api.runner_relay import RunnerCalls, RunnerRelay
from wireroom.api.services import Services
from wireroom.api.statement_count import StatementCount
from wireroom.api.telegram_admin import WEBHOOK_PATH, WebhookAdmin
from wireroom.app.front import front
from wireroom.intake.webhook import Webhook
from wireroom.mcp.door import PATH as TOOLS_PATH
from wireroom.perf.endpoints import ENDPOINTS, Metered
from wireroom.web import page
from wireroom.workspaces.workspace import Workspaces

Handler = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Doors:
    """Where the world comes in, beside what every route is given."""

    webhook: Webhook
    admin: WebhookAdmin
    inbox: CallbackInbox
    tools: ASGIApp
    """The server of tools for coding agents, with its own guard."""
    bots: Mapping[tuple[str, str], Handler] = field(default_factory=dict)
    """Where Telegram pushes the updates of added bots; comes and goes with them."""


def build_http(
    services: Services,
    doors: Doors,
    rest: ASGIApp,
    *,
    ready: Handler,
    metrics: Handler,
    state: Callable[[], int],
) -> ASGIApp:
    """Return the whole surface as one ASGI application.

    Args:
        services: The parts that routes use.
        doors: Where the world comes in.
        rest: What `documented` has made.
        ready: See `api.health`.
        metrics: See `api.health`.
        state: A number that is another one after each write to the database.
    """
    runner_calls = InnerCalls(rest, services.api_secret)
    app = Starlette(routes=plain_routes(services, doors, runner_calls, ready=ready, metrics=metrics))
    # Not mounted: a mount at / would also take the other methods of the paths above, and answer them 404.
    app.router.default = rest
    hot = {("POST", WEBHOOK_PATH): doors.webhook.receive, ("GET", "/health"): health}
    rest_of_all = CrossOrigin(front(app, services, state), services.settings.frontend_url)
    counted = StatementCount(rest_of_all, tells=services.settings.log_level == "debug")
    return HotRoutes(hot, Metered(counted, ENDPOINTS), doors.bots)


def plain_routes(
    services: Services, doors: Doors, runner_calls: RunnerCalls, *, ready: Handler, metrics: Handler
) -> Sequence[Route]:
    """Return the routes that need nothing of FastAPI."""
    return [
        Route("/health", health),
        Route("/ready", ready),
        Route("/metrics", metrics),
        *doors.admin.routes(doors.webhook.receive),
        *doors.inbox.routes(),
        Route(TOOLS_PATH, doors.tools, methods=["POST"]),
        *RunnerRelay(services, runner_calls).routes(),
        *AgentTools(services, runner_calls).routes(),
        agents.QuickPost(services),
        UnlessPage("/", _health_at_root),
    ]


class HotRoutes:
    """Gives the few routes that must be fast a way around every middleware: one look-up in a dict."""

    def __init__(
        self,
        hot: Mapping[tuple[str, str], Handler],
        rest: ASGIApp,
        passing: Mapping[tuple[str, str], Handler] | None = None,
    ) -> None:
        """Serve `hot` by (method, path), and what comes and goes in `passing`; everything else by `rest`."""
        self._hot = hot
        self._passing = {} if passing is None else passing
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        handler = self._handler(scope) if scope["type"] == "http" else None
        # A caller who left in the middle of the body can be answered nothing.
        with contextlib.suppress(ClientDisconnect):
            if handler is None:
                await self._rest(scope, receive, send)
            else:
                await _answer_hot(handler, scope, receive, send)

    def _handler(self, scope: Scope) -> Handler | None:
        asked = scope["method"], scope["path"]
        return self._hot.get(asked) or self._passing.get(asked)


async def _answer_hot(handler: Handler, scope: Scope, receive: Receive, send: Send) -> None:
    started, failed = time.perf_counter(), True
    try:
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)
        failed = response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    finally:
        ENDPOINTS.note(f"{scope['method']} {scope['path']}", time.perf_counter() - started, failed=failed)


class UnlessPage(Route):
    """A route for programs: it leaves a browser's request for the same path to the routes after it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match what does not ask for HTML."""
        if scope["type"] == "http" and "text/html" in Headers(scope=scope).get("accept", ""):
            return Match.NONE, {}
        return super().matches(scope)


async def _health_at_root(request: Request) -> Response:
    response = await health(request)
    response.headers["Vary"] = "Accept"
    return response


def documented(services: Services, workspaces: Workspaces) -> FastAPI:
    """Return the routes that OpenAPI describes, the page, and the WebSockets.

    The order matters: conversations end in a catch-all below `/api`, so what else begins with that, such as
    `/api/runs`, comes before them.
    """
    app = FastAPI(title="Wireroom", version=__version__, openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(PlainAddresses)
    errors.install(app)
    legacy.install(app)
    describe(app)
    serve(app, _own_routers(services))
    serve(app, _task_routers(services))
    serve(app, _runner_routers(services, workspaces))
    for prefix in ("/conversations/api", "/api"):
        serve(app, [repositories.working_directory_router(services, workspaces, prefix)])
        serve(app, [conversations.router(services, prefix)])
    app.router.routes.extend(page.routes(services))
    app.router.routes.extend(websockets.routes(services))
    return app


def _own_routers(services: Services) -> Sequence[APIRouter]:
    own = (
        access,
        access_account_routes,
        bots,
        run_views,
        runs,
        dead_letters,
        deliveries,
        callbacks,
        chat,
        chat_files,
        live,
        permissions,
        settings,
        environment,
        backends,
        doctor,
        scripts,
        agent_views,
        agents,
        prompts,
        queue_views,
        queues,
        schedules,
        profile,
        bottlenecks,
        performance,
        performance_profiles,
    )
    return [part.router(services) for part in own]


def _task_routers(services: Services) -> Sequence[APIRouter]:
    boards = [tasks.router(services, path) for path in tasks.PATHS]
    return (*boards, board.router(services), operator.router(services), operator.callback_router(services))


def _runner_routers(services: Services, workspaces: Workspaces) -> Sequence[APIRouter]:
    """Return the older services' routes, except the conversations with their catch-all."""
    return (
        runner.open_router(services),
        runner.router(services),
        repositories.router(services, workspaces),
        git.router(services, workspaces),
        diffs.router(services, workspaces),
        files.router(services, workspaces),
        voice_agent.router(services),
        agent_conversations.router(services, "/agent-conversations/api"),
        agent_conversations.router(services, "/api/agent"),
    )
