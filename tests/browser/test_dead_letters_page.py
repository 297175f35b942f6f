"""The dead letters in a real browser: looked at, tried again, dropped, alone and many at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from browser.conftest import Program, Watch, start, stop
from browser.dead_letters import plant

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
async def program(database_path: Path) -> AsyncIterator[Program]:
    """Lend a running program that has given up on something of every kind."""
    await plant(database_path)
    running = await start(database_path.parent)
    yield running
    await stop(running)


def _letters(page: Page) -> Locator:
    return page.locator("#letters .letter")


def _tab(page: Page, kind: str) -> Locator:
    return page.locator(f"#kinds [data-kind={kind}]")


async def _open(context: BrowserContext, program: Program, watch: Watch, kind: str) -> Page:
    page = await context.new_page()
    watch.over(page)
    await page.goto(f"{program.address}/room/dead-letters#{kind}")
    await page.wait_for_selector("#letters[aria-busy=false]", state="attached")
    return page


async def test_letters_are_retried_and_discarded(
    page: Page, context: BrowserContext, program: Program, watch: Watch
) -> None:
    """One is retried at once, the rest are discarded together after a question; another window sees it."""
    room, other = [await _open(context, program, watch, "deliveries") for _ in range(2)]
    await expect(_letters(room)).to_have_count(3)
    await expect(_tab(room, "deliveries")).to_contain_text("3")
    await expect(_letters(room).nth(1)).to_contain_text("Chat -1001, topic 9")
    await expect(_letters(room).nth(1)).to_contain_text("message thread not found")

    await _letters(room).first.get_by_role("button", name="Retry").click()
    await expect(_letters(room)).to_have_count(2)
    await expect(_letters(other)).to_have_count(2)
    await expect(room.locator("#notices")).to_contain_text("It will be tried again.")

    await room.get_by_label("Select the 2 shown").check()
    await room.locator("#discard").click()
    await expect(room.get_by_role("dialog")).to_contain_text("Discard 2 dead letters?")
    await room.get_by_role("button", name="Cancel").click()
    await expect(_letters(room)).to_have_count(2)
    await room.locator("#discard").click()
    await room.get_by_role("dialog").get_by_role("button", name="Discard").click()
    await expect(room.get_by_role("heading", name="Nothing was given up")).to_be_visible()
    await expect(_tab(other, "deliveries")).to_contain_text("0")
    await page.goto(f"{program.address}/room/queues")
    await expect(page.locator("#nav-dead-letters .count")).to_have_text("4")


async def test_every_kind_says_what_it_was_about(
    page: Page, context: BrowserContext, program: Program, watch: Watch
) -> None:
    """Each tab lists its kind and why it was given up; a task that is retried is ready on the board."""
    room = await _open(context, program, watch, "updates")
    for kind, said, reason in (
        ("updates", "what is left to do before the release?", "disk I/O error"),
        ("callbacks", "https://shop.example.org/done", "HTTP 410 Gone"),
        ("calls", "Call · nightly", "HTTP 500"),
        ("tasks", "paint the fence", "exit code 2"),
    ):
        await _tab(room, kind).click()
        await expect(_letters(room)).to_have_count(1)
        await expect(_letters(room).first).to_contain_text(said)
        await expect(_letters(room).first).to_contain_text(reason)
    await room.get_by_role("button", name="Retry: Task 7").click()
    await expect(_letters(room)).to_have_count(0)
    await page.goto(f"{program.address}/room/board")
    await expect(page.locator("[data-column=ready]")).to_contain_text("paint the fence")
