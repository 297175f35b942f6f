"""The health of an installation in a real browser: what was found, how to mend it, and what it runs on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect

from browser.conftest import Program, Watch, start, stop

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


@pytest.fixture
async def program(database_path: Path) -> AsyncIterator[Program]:
    """Lend a running program with one thing to mend: a secret that can be guessed."""
    running = await start(database_path.parent, WEBHOOK_SECRET="guess-me")
    yield running
    await stop(running)


async def test_findings_say_what_is_wrong_and_how_to_mend_it(
    page: Page, program: Program, context: BrowserContext, watch: Watch
) -> None:
    """The problem comes first, by sign and word; the demo agent is found; another look can be asked for."""
    await page.goto(f"{program.address}/room/health")
    await expect(page.get_by_role("heading", name="One thing to mend")).to_be_visible()
    first = page.locator("#findings .finding").first
    await expect(first).to_contain_text("Problem")
    await expect(first).to_contain_text("WEBHOOK_SECRET can be guessed.")
    await expect(first).to_contain_text("To mend it: Unset it")
    await expect(first.locator("svg use")).to_have_attribute("href", "#i-note")
    assert "guess-me" not in await page.content()

    agent = page.locator("#findings .finding", has_text="Coding agent")
    await expect(agent).to_contain_text("Fine")
    await expect(agent).to_contain_text("Demo (works without a model)")
    await expect(page.locator("#ready")).to_contain_text("Job worker")
    await expect(page.locator("#database")).to_contain_text("SQLite, one file")
    await expect(page.locator("#machine")).to_contain_text("GiB free")

    looked = page.locator("#looked-at")
    before = await looked.get_attribute("data-at") or ""
    await page.get_by_role("button", name="Look again").click()
    await expect(looked).not_to_have_attribute("data-at", before)

    await page.get_by_role("link", name="Settings").click()
    await expect(page.locator("#operator")).to_have_attribute("aria-busy", "false")
