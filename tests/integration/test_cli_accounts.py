"""`wireroom accounts` and `wireroom login --viewer` beside a running service."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from test_cli import wireroom

from forked_stdio import door
from running_service import running_service
from wireroom.app.service import Service
from wireroom.testing.eventually import eventually

pytestmark = pytest.mark.timeout(120)
PASSWORD = "correct horse battery"


@pytest.fixture
async def service(database_path: Path) -> AsyncIterator[Service]:
    """Run a service whose data folder the commands share."""
    async with running_service(database_path.parent) as running:
        yield running


async def typed(data_dir: Path, password: str, *arguments: str) -> tuple[int | None, str]:
    """Run a command with a password on its standard input; return its code and what it said."""
    environment = {"PATH": os.defpath, "WIREROOM_DATA_DIR": str(data_dir), "WIREROOM_BACKEND": "demo"}
    process = await asyncio.create_subprocess_exec(
        *door(), *arguments, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(f"{password}\n".encode())
    return process.returncode, (out + err).decode()


async def status_of_login(client: aiohttp.ClientSession, password: str) -> int:
    """Send the login form."""
    form = {"name": "ada", "password": password}
    async with client.post("/login", data=form, allow_redirects=False) as response:
        return response.status


async def test_account_of_the_command_line_logs_in_until_it_is_removed(
    service: Service, database_path: Path
) -> None:
    """Made, listed, given another password, removed: the running service follows, and sessions end."""
    folder = database_path.parent
    added = await typed(folder, PASSWORD, "accounts", "add", "Ada", "--role", "owner")
    assert added == (0, "ada may log in as an owner.\n")
    listed = await wireroom(folder, "accounts", "list")
    assert listed.out.split()[4:6] == ["ada", "owner"]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(service.address, cookie_jar=jar) as client:
        assert await status_of_login(client, PASSWORD) == 303
        assert (await typed(folder, "another password", "accounts", "password", "ada"))[0] == 0

        async def is_out() -> bool:
            async with client.get("/api/runs") as response:
                return response.status == 401

        await eventually(is_out, "the session has ended")
        assert await status_of_login(client, PASSWORD) == 401
        assert await status_of_login(client, "another password") == 303
        assert (await wireroom(folder, "accounts", "remove", "ada")).code == 0
        await eventually(is_out, "the session of a removed account has ended")


async def test_command_that_cannot_be_meant_is_one_sentence(service: Service, database_path: Path) -> None:
    """A weak password, a second account of a name, an unknown one; no password is ever shown."""
    del service
    folder = database_path.parent
    await typed(folder, PASSWORD, "accounts", "add", "ada")
    for password, *arguments in (
        ("short", "add", "bob"),
        (PASSWORD, "add", "ada"),
        (PASSWORD, "add", "a:b"),
        (PASSWORD, "password", "bob"),
        (PASSWORD, "remove", "bob"),
    ):
        code, said = await typed(folder, password, "accounts", *arguments)
        assert code == 1
        assert said.startswith("wireroom: ")
        assert password not in said


async def test_viewers_link_gives_a_viewer(service: Service, database_path: Path) -> None:
    """The role is the link's; without `--viewer` it is an owner's."""
    for arguments, role in ((("--viewer",), "viewer"), ((), "owner")):
        link = (await wireroom(database_path.parent, "login", *arguments)).out.strip()
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(service.address, cookie_jar=jar) as client:
            async with client.get(link) as response:
                assert response.status == 200
            async with client.get("/api/access/me") as response:
                assert (await response.json())["role"] == role
