"""The routes of workspaces on a port of their own, over a real service's parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from fastapi import FastAPI

from running_service import API_SECRET, running_service
from wireroom.api import errors, git, legacy, repositories
from wireroom.api.services import Services
from wireroom.app.web_server import WebServer, bind
from wireroom.clock import SystemClock
from wireroom.workspaces.workspace import Workspaces
from workspace_repositories import ENVIRONMENT

SECRET = {"X-Webhook-Secret": API_SECRET}


@asynccontextmanager
async def workspace_routes(data_dir: Path, root: Path) -> AsyncIterator[tuple[str, Services]]:
    """Serve the routes; lend their address and the service's parts."""
    async with running_service(data_dir, repositories_path=root) as service:
        services = service.services
        workspaces = Workspaces(services.settings, ENVIRONMENT, SystemClock())
        app = FastAPI()
        errors.install(app)
        legacy.install(app)
        app.include_router(git.router(services, workspaces))
        app.include_router(repositories.router(services, workspaces))
        for prefix in ("/api", "/conversations/api"):
            app.include_router(repositories.working_directory_router(services, workspaces, prefix))
        listener = bind("127.0.0.1", 0)
        server = WebServer(app, listener)
        serving = asyncio.create_task(server.run(), name="workspace routes")
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", services
        finally:
            server.stop()
            await serving
            listener.close()


@asynccontextmanager
async def program(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Lend a client that sends the secret."""
    async with aiohttp.ClientSession(address, headers=SECRET) as client:
        yield client
