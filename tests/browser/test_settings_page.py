"""The settings in a real browser: the operator and switches in two windows, back ends, environment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from browser.conftest import Program, Watch, start, stop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
PLANTED = "planted-secret-of-the-test"


@pytest.fixture
async def program(database_path: Path) -> AsyncIterator[Program]:
    """Lend a running program with secrets in its settings."""
    running = await start(
        database_path.parent,
        WEBHOOK_SECRET=PLANTED,
        WIREROOM_CURSOR_RUNNER_SECRET=PLANTED,
        JAREK_VA_URL=f"http://user:{PLANTED}@127.0.0.1:1/done?secret={PLANTED}",
        WIREROOM_RUN_SLOTS="3",
    )
    yield running
    await stop(running)


async def _open(context: BrowserContext, program: Program, watch: Watch) -> Page:
    page = await context.new_page()
    watch.over(page)
    await page.goto(f"{program.address}/room/settings")
    await page.wait_for_selector("#operator[aria-busy=false]")
    return page


async def test_operator_and_switches_are_turned_in_two_windows(
    page: Page, context: BrowserContext, program: Program, watch: Watch
) -> None:
    """What one window turns the other shows, with who turned it; by mouse and by key."""
    room, other = [await _open(context, program, watch) for _ in range(2)]
    assert page.url.startswith(program.address)
    operator = room.get_by_role("switch", name="Task operator")
    seen = other.get_by_role("switch", name="Task operator")
    await expect(operator).not_to_be_checked()
    await expect(other.locator("#operator-facts")).to_contain_text("nobody has turned it yet")

    await operator.click()
    await expect(seen).to_be_checked()
    await expect(other.locator("#operator-state")).to_contain_text("On. It takes the ready tasks")
    await expect(other.locator("#operator-facts")).to_contain_text("turned on")
    await seen.press("Space")
    await expect(operator).not_to_be_checked()
    await expect(room.locator("#operator-state")).to_contain_text("Off.")

    await room.get_by_role("switch", name="debug").click()
    await expect(other.get_by_role("switch", name="debug")).to_be_checked()
    await expect(room.locator("#notices")).to_contain_text("debug is On.")


async def test_back_ends_are_tried_and_no_secret_is_shown(
    page: Page, context: BrowserContext, program: Program, watch: Watch
) -> None:
    """The demo agent works, a missing one says why not; settings are found, secrets only set or unset."""
    room = await _open(context, program, watch)
    demo = room.locator("#backends .card", has_text="Demo agent")
    await expect(demo).to_contain_text("Default")
    await demo.get_by_role("button", name="Test Demo agent").click()
    await expect(demo.locator(".trial")).to_contain_text("Works")
    runner = room.locator("#backends .card", has_text="Remote runner")
    await runner.get_by_role("button").click()
    await expect(runner.locator(".trial")).to_contain_text("Does not work")

    await room.get_by_label("Only those that are set").check()
    rows = room.locator("#environment tr:visible")
    await expect(rows.filter(has_text="WEBHOOK_SECRET").first).to_contain_text("Secret, set")
    await expect(rows.filter(has_text="JAREK_VA_URL")).to_contain_text("http://…@127.0.0.1:1/done?…")
    await room.get_by_label("Find a setting").fill("agents at once")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("WIREROOM_RUN_SLOTS")
    assert PLANTED not in await room.content()
    assert page.url.startswith(program.address)
