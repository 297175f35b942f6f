"""Agents in a real browser: made, run, seen to work and to fail, changed, paused, deleted."""

from __future__ import annotations

import pytest
from aiohttp import web
from playwright.async_api import Page, expect

from browser.conftest import Program
from callback_receiver import Receiver, running_receiver

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


async def test_agent_is_made_run_and_changed(page: Page, program: Program) -> None:
    """A cron agent is seen in words with its next times before it is made; its calls are its history."""
    async with running_receiver() as target:
        await page.goto(f"{program.address}/room/agents")
        await expect(page.get_by_role("heading", name="No agent works by itself yet")).to_be_visible()
        await _make(page, target)
        await _run_until_it_fails_and_retry(page, target)
        await _change(page)
        await _pause_in_the_list(page)
        await _delete(page)


async def _make(page: Page, target: Receiver) -> None:
    await page.get_by_role("link", name="New agent").click()
    await page.get_by_label("Name", exact=True).fill("Morning call")
    await page.get_by_label("Calls an address over HTTP").check()
    await page.get_by_label("Repeats").select_option("cron")
    await page.get_by_label("Time zone").fill("Europe/Berlin")
    cron = page.get_by_label("Cron expression")
    await cron.fill("30 7 * * 1-")
    await expect(page.locator("#w-schedule")).to_contain_text("schedule cannot be read")
    await cron.fill("30 7 * * 1-5")
    await expect(page.locator("#preview-words")).to_have_text("Every weekday at 07:30, Europe/Berlin")
    await expect(page.locator("#preview-next li")).to_have_count(5)
    await expect(page.locator("#preview-next li").first).to_contain_text("07:30in ")
    await page.get_by_label("Address", exact=True).fill("ftp://files")
    await page.get_by_role("button", name="Create agent").click()
    await expect(page.locator("#w-targetUrl")).to_contain_text("http")
    await page.get_by_label("Address", exact=True).fill(target.url)
    await page.reload()  # What was written is still there.
    await expect(page.locator("#preview-words")).to_have_text("Every weekday at 07:30, Europe/Berlin")
    await page.get_by_text("Queue, overlaps").click()
    await page.get_by_label("Tries").fill("1")
    await page.get_by_role("button", name="Create agent").click()
    await expect(page.locator("#agent-words")).to_have_text("Every weekday at 07:30, Europe/Berlin")
    await expect(page.locator("#agent-next li")).to_have_count(3)


async def _run_until_it_fails_and_retry(page: Page, target: Receiver) -> None:
    newest = page.locator("#calls tr").first
    await page.get_by_role("button", name="Run now").click()
    await expect(newest).to_contain_text("done")
    await expect(newest).to_contain_text("run by hand")
    await expect(newest).to_contain_text('{"received": true}')
    target.answers.append(web.Response(status=500, text="The disk is full."))
    await page.get_by_role("button", name="Run now").click()
    await expect(newest).to_contain_text("HTTP 500 Internal Server Error: The disk is full.")
    await newest.get_by_role("button", name="again").click()
    await expect(newest).to_contain_text("done")
    await expect(page.locator("#calls tr")).to_have_count(2)


async def _change(page: Page) -> None:
    await page.get_by_role("link", name="Edit").click()
    await expect(page.get_by_label("Repeats")).to_have_value("clock")
    await expect(page.get_by_label("Sat")).not_to_be_checked()
    await page.get_by_label("Repeats").select_option("every")
    await page.get_by_label("Every", exact=True).fill("20")
    await expect(page.locator("#preview-words")).to_contain_text("Every 20 minutes")
    await page.get_by_label("Not after").fill("2999-12-31T00:00")
    await page.get_by_role("button", name="Save changes").click()
    await expect(page.locator("#agent-words")).to_have_text("Every 20 minutes, Europe/Berlin")
    await expect(page.locator("#agent-next")).to_contain_text("Until 2999-12-31 00:00")
    await expect(page.locator("#agent-facts")).to_contain_text("Tries1")


async def _pause_in_the_list(page: Page) -> None:
    await page.get_by_role("link", name="All agents").click()
    row = page.get_by_role("row", name="Morning call")
    await expect(row).to_contain_text("active")
    await row.get_by_role("button", name="Pause").click()
    await expect(row).to_contain_text("Rests until it is resumed")
    await row.get_by_role("button", name="Resume").click()
    await expect(row).to_contain_text("active")


async def _delete(page: Page) -> None:
    await page.get_by_role("link", name="Morning call").click()
    await page.locator("#agent-delete").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="No agent works by itself yet")).to_be_visible()
