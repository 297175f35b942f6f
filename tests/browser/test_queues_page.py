"""Queues in a real browser, in two windows: paused, seen to hold work back, resumed, widened, emptied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import BrowserContext, Locator, Page, expect

from browser.conftest import Program, Watch
from callback_receiver import running_receiver

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def test_queue_is_paused_and_goes_on_in_two_windows(
    page: Page, context: BrowserContext, program: Program, watch: Watch, database_path: Path
) -> None:
    """What one window pauses, the other sees; work waits meanwhile, and is done once the queue goes on.

    A look at the queues that nobody answered is made up for, although nothing changes any more.
    """
    secret = (database_path.parent / "api-secret").read_text().strip()
    headers = {"Authorization": f"Bearer {secret}"}
    other = await context.new_page()
    watch.over(other)
    async with (
        running_receiver() as target,
        aiohttp.ClientSession(program.address, headers=headers) as client,
    ):

        async def ask(path: str, **body: Any) -> None:
            async with client.post(path, json=body) as answer:
                assert answer.status == 200, await answer.text()

        await page.goto(f"{program.address}/room/queues")
        await _create(page)
        await ask("/agents", name="Digest", targetUrl=target.url, queue="mail", schedule="0 8 * * *")
        await other.goto(f"{program.address}/room/queues#mail")
        row = page.get_by_role("row", name="mail")
        await row.get_by_role("button", name="Pause").click()
        await expect(other.locator("#queue-badges")).to_have_text("paused")
        await ask("/agents/Digest/run")
        await ask("/agents/Digest/run")
        await expect(_figure(other, "waiting")).to_contain_text("2")
        await expect(other.locator("#head tr")).to_have_count(2)
        await expect(row).to_contain_text("oldest for")
        assert target.received == []
        await other.get_by_role("button", name="Resume").click()
        await expect(row.locator(".done")).to_have_text("2")
        await expect(row).to_contain_text("open")
        await expect(_figure(other, "rate")).to_contain_text("0.4over the last 5 min")
        assert len(target.received) == 2
        await page.route("**/api/queues*", lambda route: route.abort(), times=1)
        await _widen_and_purge(other, row)
        await _refuse_to_delete(other)
    watch.forgive_lost_connections()


async def _create(page: Page) -> None:
    await page.get_by_role("button", name="New queue").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name").fill("mail")
    await dialog.get_by_role("button", name="Create queue").click()
    await expect(page.get_by_role("row", name="mail")).to_contain_text("no agent")


def _figure(page: Page, name: str) -> Locator:
    return page.locator(f"#queue-figures .{name}")


async def _widen_and_purge(page: Page, row_elsewhere: Locator) -> None:
    await page.get_by_role("button", name="Concurrency").click()
    await page.get_by_role("dialog").get_by_label("Calls at once").fill("3")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(row_elsewhere).to_contain_text("0 of 3")
    await page.get_by_role("button", name="Purge").click()
    await page.get_by_role("button", name="Forget 2").click()
    await expect(row_elsewhere.locator(".done")).to_have_text("0")


async def _refuse_to_delete(page: Page) -> None:
    """An agent uses the queue: why it stays is told."""
    await expect(page.locator("#queue-agents")).to_have_text("Digest")
    await page.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alert")).to_contain_text("still needed")
