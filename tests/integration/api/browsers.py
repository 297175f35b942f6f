"""Browsers of a test: they log in by a link or a password, and call the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from sqlalchemy import select

from api.conftest import BROWSER
from wireroom.app.service import Service
from wireroom.store.schema import audit

Client = aiohttp.ClientSession
Json = dict[str, Any]
PASSWORD = "correct horse battery"


@asynccontextmanager
async def browser(service: Service, **headers: str) -> AsyncIterator[Client]:
    """Lend a browser that has nothing yet."""
    jar = aiohttp.CookieJar(unsafe=True)
    asked = {**BROWSER, "Origin": service.address, **headers}
    async with aiohttp.ClientSession(service.address, cookie_jar=jar, headers=asked) as client:
        yield client


async def ask(client: Client, method: str, path: str, status: int = 200, **options: Any) -> Json:
    """Call a route and return its JSON."""
    async with client.request(method, path, **options) as response:
        assert response.status == status, f"{method} {path}: {response.status} {await response.text()}"
        found: Json = await response.json()
    return found


async def log_in(client: Client, name: str, password: str = PASSWORD, **headers: str) -> int:
    """Send the login form and return the status of its answer."""
    form = {"name": name, "password": password}
    async with client.post("/login", data=form, headers=headers, allow_redirects=False) as response:
        return response.status


async def add_account(program: Client, name: str, role: str = "viewer") -> None:
    """Make an account."""
    body = {"name": name, "password": PASSWORD, "role": role}
    await ask(program, "POST", "/api/access/accounts", 201, json=body)


async def audited(service: Service) -> list[tuple[str, str]]:
    """Return who did what, in order."""
    query = select(audit.c.who, audit.c.action).order_by(audit.c.id)
    rows = await service.services.db.read(lambda conn: conn.execute(query).all())
    return [(row.who, row.action) for row in rows]
