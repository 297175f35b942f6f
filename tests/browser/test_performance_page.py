"""The performance screen as a person uses it: figures of a window, and a profile that is read."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from browser.conftest import Program

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

BUSY = """async (times) => {
  const paths = ['/api/runs', '/api/chat', '/agents'];
  for (let done = 0; done < times; done += 1) await Promise.all(paths.map((path) => fetch(path)));
}"""
PATIENT_MS = 30_000


async def test_screen_shows_figures_of_a_window_and_takes_a_profile(page: Page, program: Program) -> None:
    """What was asked of the service is in its tables and charts; its flame graph can be read."""
    await page.goto(program.address + "/room/performance")
    await page.evaluate(BUSY, 10)
    runs = page.locator('[data-table="routes"] tr', has_text=re.compile(r"GET /api/runs\d"))
    await expect(runs.locator("td").nth(1)).to_have_text(re.compile(r"[1-9]\d+"), timeout=PATIENT_MS)
    await expect(page.locator("#headline dd").first).to_have_text(re.compile(r"[1-9].*/s"))
    await expect(page.locator('[data-chart="latency"] .u-legend')).to_contain_text(" ms", timeout=PATIENT_MS)

    await page.get_by_role("button", name="1 hour").click()
    await expect(page.locator("#covers")).to_contain_text("Since the start")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("button", name="Resume")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="5 minutes").click()
    throughput = page.locator('[data-chart="throughput"]')
    await throughput.get_by_role("button", name="Show as table").click()
    await expect(throughput.locator(".rows tbody tr").first).to_contain_text("/s")
    await page.get_by_role("button", name="Calls").first.click()
    await expect(page.locator('[data-table="routes"] th[aria-sort]')).to_have_text("Calls")

    await take_profile(page)
    await read_flame_graph(page)
    found = await Axe().run(
        page, "#profile", options={"runOnly": ["wcag2a", "wcag2aa"], "resultTypes": ["violations"]}
    )
    assert [one["id"] for one in found.response["violations"]] == []


async def take_profile(page: Page) -> None:
    """Look into the processor's work for two seconds, with some work to see, and wait for the picture."""
    await page.locator("#profile-seconds").select_option("2")
    await page.get_by_role("button", name="Take a profile").click()
    await expect(page.locator("#taking")).to_be_visible()
    await page.evaluate(BUSY, 60)
    await expect(page.locator(".flame .box").nth(3)).to_be_visible(timeout=PATIENT_MS)
    await expect(page.locator("#profile-title")).to_be_focused()


async def read_flame_graph(page: Page) -> None:
    """Zoom by the mouse, walk and zoom by the keyboard, search, and read the same as a table."""
    boxes = page.locator(".flame .box")
    whole = await boxes.first.bounding_box()
    second = boxes.nth(1)
    name = await second.inner_text()
    await second.click()
    zoomed = page.locator('.flame .box[tabindex="0"]')
    await expect(zoomed).to_have_text(name)
    wide = await zoomed.bounding_box()
    assert whole is not None
    assert wide is not None
    assert abs(wide["width"] - whole["width"]) < 2
    await zoomed.press("ArrowDown")
    await expect(page.locator(".flame .box:focus")).to_have_attribute("aria-level", "3")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Escape")
    await expect(zoomed).to_have_attribute("aria-level", "2")
    await page.get_by_role("button", name="Zoom out").click()
    await expect(zoomed).to_have_attribute("aria-level", "1")
    first = page.locator(".flame-table tbody tr").first.get_by_role("button")
    await first.click()
    await expect(page.locator(".flame .box.hit").first).to_be_visible()
    await expect(page.locator("#flame-found")).to_contain_text("% of all")
    await page.get_by_label("Find a function or file").fill("no such function")
    await expect(page.locator("#flame-found")).to_contain_text("0 % of all")
    await expect(page.get_by_text("No function matches.")).to_be_visible()
