"""People log in with a password, look without changing, and are signed out; in a real browser."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from browser.conftest import Program, Watch
from wireroom.web.screens import SCREENS

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
PASSWORD = "correct horse battery"


async def wireroom(data_dir: Path, *arguments: str) -> str:
    """Run a command beside the program, with the password on its standard input."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("wireroom")),
        *arguments,
        env={"PATH": os.environ["PATH"], "WIREROOM_DATA_DIR": str(data_dir), "WIREROOM_BACKEND": "demo"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        said, _ = await process.communicate(f"{PASSWORD}\n".encode())
    assert process.returncode == 0
    return said.decode().strip()


@asynccontextmanager
async def window(browser: Browser, watch: Watch) -> AsyncIterator[Page]:
    """Lend a window with storage of its own."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(20_000)
    page = await context.new_page()
    watch.over(page)
    yield page
    await context.close()


async def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    """Fill the login form and send it."""
    await page.get_by_role("textbox", name="Name").fill(name)
    await page.locator("input[type=password]").fill(password)
    await page.get_by_role("button", name="Log in").click()


def forgive(watch: Watch, *statuses: int) -> None:
    """Forget what the browser said of refusals that the test itself asked for."""
    marks = tuple(f"status of {status}" for status in statuses)
    watch.complaints = [text for text in watch.complaints if not any(mark in text for mark in marks)]


async def test_password_lets_in_and_signing_out_everywhere_ends_the_other_window(
    program: Program, browser: Browser, watch: Watch, database_path: Path
) -> None:
    """Wrong once, then right; another account is made and seen; both windows are out at the end."""
    await wireroom(database_path.parent, "accounts", "add", "ada", "--role", "owner")
    async with window(browser, watch) as page, window(browser, watch) as other:
        for one in (page, other):
            await one.goto(f"{program.address}/room/people")
        await log_in(page, "ada", "not my password")
        await expect(page.get_by_role("alert")).to_have_text("This name and password do not belong together.")
        await log_in(page, "ada")
        await log_in(other, "ada")
        await expect(page).to_have_url(f"{program.address}/room/people")
        await expect(page.locator("#sessions li")).to_have_count(2)
        await page.get_by_role("button", name="Add an account").click()
        await page.get_by_role("textbox", name="Name").fill("grace")
        await page.locator("input[type=password]").fill("short")
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator("dialog [role=alert]")).to_contain_text("10 to 200 characters")
        await page.locator("input[type=password]").fill(PASSWORD)
        await page.get_by_role("button", name="Add", exact=True).click()
        await expect(page.locator("#accounts li")).to_have_count(2)
        await expect(other.locator("#accounts li")).to_have_count(2)
        await page.get_by_role("link", name="Who did what").click()
        await expect(page.locator("#entries tr").first).to_contain_text("added an account")
        await page.get_by_label("What", exact=True).select_option("session.refused")
        await expect(page.locator("#entries tr")).to_have_count(1)
        await expect(page.locator("#entries tr")).to_contain_text("a stranger")
        await page.get_by_role("link", name="Access").click()
        await page.get_by_role("button", name="Sign me out everywhere").click()
        await page.locator("dialog").get_by_role("button", name="Sign me out everywhere").click()
        await expect(page.locator("input[type=password]")).to_be_visible()
        await expect(other.locator("#connection")).to_have_attribute(
            "data-state", "logged-out", timeout=60_000
        )
        await other.goto(program.address)
        await log_in(other, "grace")
        await expect(other.locator("body")).to_have_attribute("data-role", "viewer")
        await other.get_by_role("button", name="Log out").click()
        await expect(other.locator("input[type=password]")).to_be_visible()
    forgive(watch, 401, 400)


async def test_viewer_sees_every_screen_and_can_change_nothing(
    program: Program, browser: Browser, watch: Watch, database_path: Path
) -> None:
    """Nothing of an owner's is shown on any screen, and a call by hand is refused."""
    link = await wireroom(database_path.parent, "login", "--viewer")
    async with window(browser, watch) as page:
        await page.goto(link)
        for screen in SCREENS:
            await page.goto(program.address + screen.path)
            await expect(page.locator("body")).to_have_attribute("data-role", "viewer")
            await expect(page.locator("#connection")).to_have_attribute("data-state", "live")
            assert await page.locator(".owner-only:visible").count() == 0
        statuses = await page.evaluate(
            """() => Promise.all([["POST", "/api/tasks"], ["PUT", "/api/settings/task_operator"],
                ["POST", "/api/chat/messages"], ["POST", "/api/access/accounts"]].map(([method, path]) =>
                fetch(path, { method, body: "{}", headers: { "Content-Type": "application/json" } })
                .then((answer) => answer.status)))"""
        )
        assert statuses == [403] * 4
    forgive(watch, 403)
